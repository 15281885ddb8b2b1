// Refreshes the list of recent decisions. The page also works without it.
"use strict";
const recent = document.getElementById("recent");
const live = document.getElementById("live");
const box = live.querySelector("input");
live.hidden = false;

async function refresh() {
  if (!box.checked || document.hidden) return;
  // Keep the user's focus and selection.
  if (recent.contains(document.activeElement) || !getSelection().isCollapsed) return;
  try {
    const response = await fetch("recent");
    if (response.ok) recent.innerHTML = await response.text();
  } catch {
    // The process may be restarting: try again in the next interval.
  }
}

setInterval(refresh, 2000);
