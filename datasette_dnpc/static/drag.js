// Choosing a part of a chart by dragging over it, for the scripts of pages.
//
//     dnpcDrag(area, drawing, axes, chosen)
//
// area: the element over which to drag; drawing: what fills it, whose edges are 0 and 1; axes: "x", "y" or "xy", along
// which a part is chosen; chosen(from, to): called with the two places, {x, y} from the lower left.
window.dnpcDrag = (area, drawing, axes, chosen) => {
    "use strict";
    const least = 5;  // pixels: less is a click
    let drag = null;

    const place = event => {
        const box = drawing.getBoundingClientRect();
        const within = share => Math.min(Math.max(share, 0), 1);
        return {
            x: within((event.clientX - box.left - drawing.clientLeft) / (box.width - 2 * drawing.clientLeft)),
            y: within((box.bottom - event.clientY) / box.height),
        };
    };
    const stop = () => {
        if (drag && drag.shown) drag.shown.remove();
        drag = null;
    };
    const extent = (axis, from, to) => axes.includes(axis) ? [Math.min(from, to), Math.abs(from - to)] : [0, 1];

    area.addEventListener("dragstart", event => event.preventDefault());
    area.addEventListener("pointerdown", event => {
        // A finger that goes up or down scrolls.
        if (event.button !== 0 || (event.pointerType === "touch" && axes !== "x")) return;
        drag = {at: event, from: place(event), shown: null};
    });
    window.addEventListener("pointermove", event => {
        if (!drag) return;
        if (!drag.shown) {
            const x = axes.includes("x") ? event.clientX - drag.at.clientX : 0;
            const y = axes.includes("y") ? event.clientY - drag.at.clientY : 0;
            if (Math.hypot(x, y) < least) return;
            drag.shown = document.createElement("div");
            drag.shown.className = "dnpc-drag";
            area.append(drag.shown);
        }
        const to = place(event);
        const [left, width] = extent("x", drag.from.x, to.x);
        const [bottom, height] = extent("y", drag.from.y, to.y);
        Object.assign(drag.shown.style, {
            left: `${100 * left}%`, width: `${100 * width}%`, bottom: `${100 * bottom}%`, height: `${100 * height}%`,
        });
    });
    window.addEventListener("keydown", event => {
        if (event.key !== "Escape" || !drag) return;
        stop();
        event.stopPropagation();
    }, {capture: true});
    window.addEventListener("pointercancel", stop);
    window.addEventListener("pointerup", event => {
        if (!drag) return;
        const {from, shown} = drag;
        stop();
        if (!shown) return;
        // Where the pointer is let go over a link, it is not a click on it.
        const swallow = click => { click.preventDefault(); click.stopPropagation(); };
        window.addEventListener("click", swallow, {capture: true, once: true});
        setTimeout(() => window.removeEventListener("click", swallow, {capture: true}), 50);
        chosen(from, place(event));
    });
};
