// A region of the page of distributions, chosen by dragging: it goes into the fields, and so into the address.
(() => {
    "use strict";
    const figure = document.querySelector(".dnpc-distribution");
    const form = document.getElementById("choice");
    if (!figure || !form) return;
    figure.classList.add("dnpc-live");
    const {xLow, xHigh, yLow, yHigh} = figure.dataset;
    const log = "log" in figure.dataset;

    const between = (low, high, share) => Number(low) + (Number(high) - Number(low)) * share;
    const start = share => between(xLow, xHigh, share);
    const duration = share =>
        log ? Math.exp(between(Math.log(yLow), Math.log(yHigh), share)) : between(yLow, yHigh, share);
    // As many digits as can be seen.
    const text = value => String(Number(value.toPrecision(5)));

    function choose(from, to, both) {
        const sorted = (a, b) => a < b ? [a, b] : [b, a];
        const [low, high] = sorted(from.y, to.y).map(duration).map(text);
        form.elements.shortest.value = low;
        form.elements.longest.value = high;
        const [first, last] = sorted(from.x, to.x).map(start).map(text);
        form.elements.from_start.value = both ? first : "";
        form.elements.to_start.value = both ? last : "";
        form.requestSubmit();
    }

    for (const chart of figure.querySelectorAll("[data-drag]")) {
        const both = chart.dataset.drag === "both";
        let drag = null;
        const place = event => {
            const box = chart.querySelector("svg").getBoundingClientRect();
            const within = share => Math.min(Math.max(share, 0), 1);
            return {x: within((event.clientX - box.left) / box.width), y: within((box.bottom - event.clientY) / box.height)};
        };
        const stop = () => {
            if (drag && drag.shown) drag.shown.remove();
            drag = null;
        };
        chart.addEventListener("dragstart", event => event.preventDefault());
        chart.addEventListener("pointerdown", event => {
            if (event.button === 0 && event.pointerType !== "touch") drag = {at: event, from: place(event), shown: null};
        });
        window.addEventListener("pointermove", event => {
            if (!drag) return;
            if (!drag.shown) {
                if (Math.hypot(event.clientX - drag.at.clientX, event.clientY - drag.at.clientY) < 5) return;
                drag.shown = document.createElement("div");
                drag.shown.className = "dnpc-drag";
                chart.append(drag.shown);
            }
            const to = place(event);
            const {from, shown} = drag;
            shown.style.bottom = `${100 * Math.min(from.y, to.y)}%`;
            shown.style.height = `${100 * Math.abs(from.y - to.y)}%`;
            shown.style.left = `${both ? 100 * Math.min(from.x, to.x) : 0}%`;
            shown.style.width = `${both ? 100 * Math.abs(from.x - to.x) : 100}%`;
        });
        window.addEventListener("keydown", event => {
            if (event.key === "Escape") stop();
        });
        window.addEventListener("pointercancel", stop);
        window.addEventListener("pointerup", event => {
            if (!drag) return;
            const {from, shown} = drag;
            stop();
            if (!shown) return;
            // Where the pointer is let go over a point, it is not a click on it.
            const swallow = click => { click.preventDefault(); click.stopPropagation(); };
            window.addEventListener("click", swallow, {capture: true, once: true});
            setTimeout(() => window.removeEventListener("click", swallow, {capture: true}), 50);
            choose(from, place(event), both);
        });
    }
})();
