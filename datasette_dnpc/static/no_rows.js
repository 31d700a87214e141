// On the page of a canned query without rows: why there are none, as far as dnpc can tell.
(() => {
    "use strict";
    const base = document.currentScript.src.split("/-/static-plugins/")[0];

    async function tell() {
        const nothing = document.querySelector(".zero-results");
        if (!nothing) return;
        const [database, query] = window.location.pathname.split("/").slice(-2);
        const answer = await fetch(`${base}/-/dnpc/${database}/why/${query}${window.location.search}`);
        if (!answer.ok) return;
        const { why } = await answer.json();
        if (!why) return;
        const reason = document.createElement("p");
        reason.className = "dnpc-why";
        reason.setAttribute("role", "status");
        reason.textContent = why;
        nothing.after(reason);
    }

    document.addEventListener("DOMContentLoaded", tell);
})();
