// Keeps the last decisions fresh. Without it the page is the same, only still.
"use strict";
const recent = document.getElementById("recent");
const live = document.getElementById("live");
const box = live.querySelector("input");
live.hidden = false;

async function refresh() {
  if (!box.checked || document.hidden) return;
  // Whoever reads or selects something there must not lose it.
  if (recent.contains(document.activeElement) || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch("recent");
    if (answer.ok) recent.innerHTML = await answer.text();
  } catch {
    // The process is restarting: the next round tells.
  }
}

setInterval(refresh, 2000);
