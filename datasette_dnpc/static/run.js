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
        let drag = null;
        const place = event => {
            const box = plot.getBoundingClientRect();
            return Math.min(Math.max((event.clientX - box.left - plot.clientLeft) / plot.clientWidth, 0), 1);
        };
        plot.addEventListener("dragstart", event => event.preventDefault());
        plot.addEventListener("pointerdown", event => {
            if (event.button !== 0) return;
            drag = {x: event.clientX, from: place(event), shown: null};
        });
        window.addEventListener("pointermove", event => {
            if (!drag || (!drag.shown && Math.abs(event.clientX - drag.x) < 5)) return;
            if (!drag.shown) {
                drag.shown = document.createElement("div");
                drag.shown.className = "dnpc-drag";
                plot.append(drag.shown);
            }
            const to = place(event);
            drag.shown.style.left = `${100 * Math.min(drag.from, to)}%`;
            drag.shown.style.width = `${100 * Math.abs(to - drag.from)}%`;
        });
        const stop = () => {
            if (drag && drag.shown) drag.shown.remove();
            drag = null;
        };
        window.addEventListener("pointercancel", stop);
        window.addEventListener("pointerup", event => {
            if (!drag) return;
            const {from, shown} = drag;
            stop();
            if (!shown) return;
            // Where the pointer is let go over a bar, it is not a click on it.
            const swallow = click => { click.preventDefault(); click.stopPropagation(); };
            window.addEventListener("click", swallow, {capture: true, once: true});
            setTimeout(() => window.removeEventListener("click", swallow, {capture: true}), 50);
            const to = place(event);
            show(first + seconds * Math.min(from, to), first + seconds * Math.max(from, to));
        });
    }
})();
