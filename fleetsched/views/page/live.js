// SPDX-License-Identifier: Apache-2.0
// Brings the page up to date when the reconciler says that something has changed. Everything works without it.
"use strict";
(() => {
  let serial = document.body.dataset.serial;
  let busy = false;
  const say = (text) => {
    const place = document.getElementById("live");
    if (place) place.textContent = text;
  };
  const renew = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = document.activeElement && document.activeElement.getAttribute("href");
      for (const part of ["main", "header"]) {
        const now = fresh.querySelector(part);
        if (now) document.querySelector(part).replaceWith(now);
      }
      if (focused) document.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      serial = fresh.body.dataset.serial;
      document.body.dataset.serial = serial;
      say("Live.");
    } catch {
      say("Out of touch; trying again.");
    } finally {
      busy = false;
    }
  };
  const source = new EventSource("/events");
  source.onopen = () => say("Live.");
  source.onmessage = (event) => {
    if (event.data !== serial) renew();
  };
  source.onerror = () => say("Out of touch; trying again.");
  document.addEventListener("visibilitychange", renew);
})();
