// Colours of data. Safe for colour-blind eyes: scales rise in lightness, and the classes' colours differ in it too.
export type Rgb = [number, number, number];

/** Classes, after Okabe and Ito (2008), with five more; neighbours differ in lightness as well as in hue. */
export const CLASSES = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#d982b5",
  "#a8410a",
  "#56b4e9",
  "#7a52a8",
  "#b4c424",
  "#8a6d3b",
  "#9aa3ac",
  "#d4451d",
  "#2f7f86",
] as const;

/** What belongs to no class, or has no number. */
export const NONE = "#8b9096";

export function classColour(i: number): string {
  return i < 0 ? NONE : (CLASSES[i % CLASSES.length] as string);
}

export function rgb(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

const hex = (colour: Rgb): string => "#" + colour.map((c) => Math.round(c).toString(16).padStart(2, "0")).join("");

// Viridis, by Smith and van der Walt.
const VIRIDIS = "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725".split(" ").map((c) => rgb("#" + c));
const LIGHT = ["08306b", "2b6cb0", "9cc4e4", "f5f5f3", "f3bd86", "c4681a", "6b2f04"].map((c) => rgb("#" + c));
const DARK = ["a8d4fa", "6cacea", "2d5f8f", "24282c", "8a5526", "f0a058", "fbd3a6"].map((c) => rgb("#" + c));

function along(stops: Rgb[], share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const [from, to] = [stops[i] as Rgb, stops[i + 1] as Rgb];
  return [0, 1, 2].map((c) => (from[c] as number) + ((to[c] as number) - (from[c] as number)) * (at - i)) as Rgb;
}

/** From dark to light, for a share from 0 to 1. */
export const sequential = (share: number): Rgb => along(VIRIDIS, share);

/** Blue for -1, nearly the paper's colour for 0, orange for 1. */
export const diverging = (value: number, dark: boolean): Rgb => along(dark ? DARK : LIGHT, (value + 1) / 2);

/** A scale's colours as hex, from its low end to its high one. */
export function steps(scale: (share: number) => Rgb, count: number): string[] {
  return Array.from({ length: count }, (_, i) => hex(scale(i / (count - 1))));
}

/** A scale as a CSS gradient from left to right. */
export const gradient = (scale: (share: number) => Rgb): string => `linear-gradient(to right, ${steps(scale, 13).join(", ")})`;
