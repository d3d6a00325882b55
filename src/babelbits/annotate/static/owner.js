// Renews the owner's page while it is looked at.
"use strict";

const EVERY_MS = 10000;

setInterval(async () => {
  if (document.hidden) return;
  try {
    const reply = await fetch("/owner/live");
    if (reply.status === 401) location.assign("/owner/login");
    if (reply.ok) document.getElementById("standing").innerHTML = await reply.text();
  } catch { /* the next time */ }
}, EVERY_MS);
