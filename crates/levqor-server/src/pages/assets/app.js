// Comfort on top of pages that work without it: theme, live regions, ages, copying, line numbers.
"use strict";
(() => {
  const root = document.documentElement;

  // Theme: the form works by itself (a cookie and a redirect); here it needs no reload.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-theme-form]");
    if (!form) return;
    event.preventDefault();
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = dark ? "light" : "dark";
    root.dataset.theme = theme;
    const [prefix, secure] = location.protocol === "https:" ? ["__Host-", "; Secure"] : ["", ""];
    document.cookie = `${prefix}levqor_theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  });

  // Ages: "3 min ago" grows older while the page is open.
  const steps = [
    [60, 1, "s"],
    [3600, 60, "min"],
    [86400, 3600, "h"],
    [Infinity, 86400, "d"],
  ];
  function age(seconds) {
    const past = seconds >= 0;
    const size = Math.abs(seconds);
    if (size < 1) return "just now";
    const [, unit, word] = steps.find(([limit]) => size < limit);
    const text = `${Math.floor(size / unit)} ${word}`;
    return past ? `${text} ago` : `in ${text}`;
  }
  function ages() {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-age]")) {
      const at = Date.parse(time.dateTime);
      if (!Number.isNaN(at)) time.textContent = age((now - at) / 1000);
    }
  }
  setInterval(ages, 1000);

  // Pages for everyone are counted, and what is clicked on them; nothing of who does it is sent. Whoever asks not to be followed is not.
  const counted = document.querySelector("main[data-page]")?.dataset.page;
  const followed = !navigator.globalPrivacyControl && navigator.doNotTrack !== "1";
  function tell(event) {
    if (!counted || !followed || !navigator.sendBeacon) return;
    const body = JSON.stringify({ ...event, page: counted });
    navigator.sendBeacon("/api/marketing/event", new Blob([body], { type: "application/json" }));
  }
  tell({ event: "page_view" });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-cta]")?.dataset.cta;
    if (target) tell({ event: "cta_click", target });
  });

  // Copy buttons name the element whose text they take.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
    setTimeout(() => (button.textContent = before), 1600);
  });

  // The status page: what was good when the page was made says nothing once its evidence is too old. How old the evidence was then is
  // the server's word, so no clock of this device matters; what has passed since is counted from when the page was asked for.
  let heard = 0;
  // A page that the browser had kept and shows once more says nothing of how long ago it was made.
  const kept = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  if (kept) heard = Number.NEGATIVE_INFINITY;
  const unknown = "Unknown: this page has heard nothing new";
  function silence() {
    const board = document.querySelector("[data-evidence-age]");
    if (!board) return;
    const passed = (performance.now() - heard) / 1000;
    const old = Number.parseFloat(board.dataset.evidenceAge) + passed;
    if (old <= Number(board.dataset.fresh)) return;
    const verdict = board.querySelector(".verdict");
    if (verdict && !verdict.classList.contains("stale")) {
      verdict.className = "verdict idle stale";
      verdict.querySelector("use")?.setAttribute("href", verdict.dataset.unknownIcon);
    }
    const title = verdict?.querySelector("h1");
    if (title) title.textContent = Number.isFinite(passed) ? `${unknown} for ${Math.floor(passed)} s` : unknown;
    for (const badge of board.querySelectorAll("[data-state]:not([data-state=unknown])")) {
      badge.dataset.state = "unknown";
      for (const tone of ["good", "warn", "bad"]) badge.classList.remove(tone);
      badge.classList.add("idle");
      badge.lastChild.textContent = "unknown";
      badge.querySelector("use")?.setAttribute("href", verdict.dataset.unknownIcon);
    }
  }
  setInterval(silence, 1000);

  // Live regions: the page is fetched again and every [data-live] part is replaced by its namesake.
  function take(old, next) {
    old.dataset.live = next.dataset.live;
    if (next.dataset.evidenceAge === undefined) delete old.dataset.evidenceAge;
    else old.dataset.evidenceAge = next.dataset.evidenceAge;
  }
  let busy = false;
  let again = false;
  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const asked = performance.now();
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        cache: "no-store",
        signal: AbortSignal.timeout(30000),
      });
      if (answer.redirected && new URL(answer.url).pathname === "/signin") {
        // The session has ended: say so instead of growing old in silence.
        location.assign(answer.url);
        return;
      }
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-live][id]")) {
        const next = fresh.getElementById(old.id);
        if (!next || old.innerHTML === next.innerHTML) {
          if (next) take(old, next);
          continue;
        }
        const open = [...old.querySelectorAll("details[open][id]")].map((one) => one.id);
        const focused = old.contains(document.activeElement)
          ? document.activeElement.closest("[id]")?.id
          : undefined;
        old.replaceChildren(...next.childNodes);
        take(old, next);
        for (const id of open) document.getElementById(id)?.setAttribute("open", "");
        if (focused) {
          const target = document.getElementById(focused);
          (target?.tagName === "DETAILS" ? target.querySelector("summary") : target)?.focus({ preventScroll: true });
        }
      }
      heard = asked;
      ages();
      silence();
    } catch {
      // The next tick or event tries again; the shown ages tell how old the picture is.
    } finally {
      busy = false;
      if (again) {
        again = false;
        setTimeout(refresh, 250);
      }
    }
  }

  const live = document.querySelector("[data-live]");
  const seconds = Number(live?.dataset.refresh);
  if (seconds > 0) {
    if (kept) refresh();
    setInterval(() => {
      if (!document.hidden && live.dataset.live !== "done") refresh();
    }, seconds * 1000);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && live.dataset.live !== "done") refresh();
    });
  }

  const watched = document.querySelector("[data-events]");
  if (watched && live?.dataset.live !== "done" && window.EventSource) {
    const source = new EventSource(watched.dataset.events);
    let timer;
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        await refresh();
        if (live.dataset.live === "done") source.close();
      }, 150);
    };
    for (const name of ["run", "task", "gap", "end", "changed"]) source.addEventListener(name, soon);
    source.addEventListener("error", soon);
  }

  // Editors: line numbers beside the text, with the lines that have errors marked.
  for (const editor of document.querySelectorAll("[data-editor]")) {
    const area = editor.querySelector("textarea");
    const gutter = editor.querySelector(".gutter");
    const hits = new Set((editor.dataset.hits ?? "").split(",").filter(Boolean).map(Number));
    let count = 0;
    const draw = () => {
      const lines = area.value.split("\n").length;
      if (lines === count) return;
      count = lines;
      gutter.replaceChildren(
        ...Array.from({ length: lines }, (_, place) => {
          const line = document.createElement("span");
          if (hits.has(place + 1)) line.className = "hit";
          line.textContent = `${place + 1}\n`;
          return line;
        }),
      );
    };
    area.addEventListener("input", draw);
    area.addEventListener("scroll", () => (gutter.scrollTop = area.scrollTop));
    draw();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    const area = document.querySelector("[data-editor] textarea");
    if (!link || !area) return;
    event.preventDefault();
    const line = Number(link.dataset.line);
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
    area.scrollTop = Math.max(0, (line - 4) * (area.scrollHeight / lines.length));
  });

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.dataset.sent) {
      if (form.dataset.sent) event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
})();
