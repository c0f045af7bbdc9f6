// The parts of the page in their order, with the names that the navigation has; those that a page lacks are left out.
import type { Page } from "../contract";

export interface Part {
  id: string;
  title: string;
}

const ALL: (Part & { shown: (page: Page) => boolean })[] = [
  { id: "summary", title: "Summary", shown: () => true },
  { id: "reconstructions", title: "Reconstructions", shown: (page) => page.reconstructions !== null },
  { id: "code-map", title: "Code map", shown: (page) => page.code_map !== null },
  { id: "decoder", title: "Decoder", shown: (page) => page.decoder !== null },
  { id: "concepts", title: "Concepts", shown: (page) => page.concepts !== null },
  { id: "prediction", title: "Prediction", shown: (page) => page.prediction !== null },
  { id: "anomalies", title: "Anomalies", shown: (page) => page.anomalies !== null },
];

/** A model without a code, as some detectors are, has a map of its rows all the same. */
export const mapTitle = (page: Page): string => (page.code_map?.code.shape[1] === 0 ? "Map of rows" : "Code map");

export const parts = (page: Page): Part[] =>
  ALL.filter((part) => part.shown(page)).map(({ id, title }) => ({ id, title: id === "code-map" ? mapTitle(page) : title }));
