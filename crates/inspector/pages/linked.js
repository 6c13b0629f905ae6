// The link between both sides: which value of the message came from which element of the resource.

const inside = (inner, outer) => inner.startsWith(outer) && (inner[outer.length] === '.' || inner[outer.length] === '[');

/** Both sides of one page: marks what belongs together. */
export function link(root) {
  const clear = () => root.querySelectorAll('.lit').forEach((element) => element.classList.remove('lit'));
  return {
    /** From the message: the elements it came from. */
    toResource(expressions) {
      clear();
      for (const line of root.querySelectorAll('[data-path]')) {
        if (expressions.some((expression) => expression === line.dataset.path || inside(line.dataset.path, expression))) line.classList.add('lit');
      }
      reveal(root.querySelector('[data-path].lit'));
    },
    /** From the resource: the values it became. */
    toMessage(path) {
      clear();
      for (const value of root.querySelectorAll('[data-source]')) {
        const source = value.dataset.source;
        if (source === path || inside(source, path) || inside(path, source)) value.classList.add('lit');
      }
      reveal(root.querySelector('[data-source].lit'));
    },
    clear,
  };
}

let last = '';

/** Only where somebody moved the pointer: what scrolls under a pointer that rests is not pointed at. */
export function pointed(action) {
  return (event) => {
    const now = `${event.screenX},${event.screenY}`;
    if (now === last) return;
    last = now;
    action(event);
  };
}

/** Inside its own scroller, never the page. */
function reveal(element) {
  const scroller = element?.closest('.scroller');
  if (!scroller) return;
  const [outer, inner] = [scroller.getBoundingClientRect(), element.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) scroller.scrollTop += inner.top - outer.top - outer.height / 3;
}
