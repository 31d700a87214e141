// Zoom on the page of a run: by dragging over a chart, and by keys. Each goes to an address of the same page.
(() => {
    "use strict";
    const charts = document.getElementById("charts");
    if (!charts) return;
    const [first, last, whole] = ["first", "last", "whole"].map(name => Number(charts.dataset[name]));
    const seconds = last - first;
    const closest = 1e-6;
    charts.classList.add("dnpc-live");

    function show(from, to) {
        const length = Math.min(Math.max(to - from, closest), whole);
        const began = Math.min(Math.max(from, 0), whole - length);
        const address = new URL(window.location.href);
        address.hash = "charts";
        if (length >= whole) {
            address.searchParams.delete("from");
            address.searchParams.delete("to");
        } else {
            const digits = Math.min(Math.max(3 - Math.floor(Math.log10(length)), 0), 6);
            address.searchParams.set("from", began.toFixed(digits));
            address.searchParams.set("to", (began + length).toFixed(digits));
        }
        // Other lanes may have tasks then.
        address.searchParams.delete("first_lane");
        if (address.href !== window.location.href) window.location.assign(address.href);
    }

    function zoom(factor) {
        const middle = (first + last) / 2;
        show(middle - seconds * factor / 2, middle + seconds * factor / 2);
    }

    const keys = {
        "+": () => zoom(0.5),
        "=": () => zoom(0.5),
        "-": () => zoom(2),
        "ArrowLeft": () => show(first - seconds / 4, last - seconds / 4),
        "ArrowRight": () => show(first + seconds / 4, last + seconds / 4),
        "Escape": () => show(0, whole),
        "0": () => show(0, whole),
    };
    charts.addEventListener("keydown", event => {
        // In a box that scrolls, arrows scroll.
        if (event.target.closest(".dnpc-box") || event.altKey || event.ctrlKey || event.metaKey) return;
        const act = keys[event.key];
        if (!act) return;
        event.preventDefault();
        act();
    });

    for (const plot of charts.querySelectorAll(".dnpc-plot")) {
        dnpcDrag(plot, plot, "x", (from, to) => {
            show(first + seconds * Math.min(from.x, to.x), first + seconds * Math.max(from.x, to.x));
        });
    }
})();
