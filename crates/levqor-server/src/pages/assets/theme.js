// Runs before the first paint: the chosen theme is in a cookie, so that the server knows it too.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const named = (name) => document.cookie.match(new RegExp(`(?:^|; )${name}=(light|dark)(?:;|$)`));
  const chosen = named("__Host-levqor_theme") || named("levqor_theme");
  if (chosen && !root.dataset.theme) root.dataset.theme = chosen[1];
})();
