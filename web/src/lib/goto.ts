// Going to a place of the page whose parts above it are still being opened.

const SETTLES = 2500;

/** Keep an element at the top of the window until the page has settled, or until the person moves on. */
export function hold(element: Element): void {
  const until = performance.now() + SETTLES;
  let moved = false;
  const stop = (): void => void (moved = true);
  const signs = ["wheel", "touchstart", "keydown", "pointerdown"] as const;
  for (const sign of signs) addEventListener(sign, stop, { passive: true, once: true });
  const align = (): void => {
    if (moved || !element.isConnected || performance.now() > until) {
      for (const sign of signs) removeEventListener(sign, stop);
      return;
    }
    element.scrollIntoView({ block: "start", behavior: "instant" });
    requestAnimationFrame(align);
  };
  align();
}
