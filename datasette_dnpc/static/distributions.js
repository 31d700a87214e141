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
        const axes = chart.dataset.drag;
        dnpcDrag(chart, chart.querySelector("svg"), axes, (from, to) => choose(from, to, axes === "xy"));
    }
})();
