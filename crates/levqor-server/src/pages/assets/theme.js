// Runs before the first paint: the chosen theme is in a cookie, so that the server knows it too.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const chosen = document.cookie.match(/(?:^|; )levqor_theme=(light|dark)(?:;|$)/);
  if (chosen && !root.dataset.theme) root.dataset.theme = chosen[1];
})();
