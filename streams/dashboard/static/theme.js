// Before anything is drawn: the theme that was chosen here, else the system's.
"use strict";
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("leadheat-theme"); } catch { /* storage may be shut */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
