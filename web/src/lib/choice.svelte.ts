// What the person has chosen, seen by every section: a row, a selection of rows, names of concepts.
import type { Page } from "../contract";

export class Choice {
  /** The row of the page that is looked at; sections that show one row show this. */
  row = $state(0);
  /** Rows selected in the map. */
  rows = $state.raw<number[]>([]);
  /** Names of units as the person has them now. */
  names = $state<Record<number, string>>({});

  constructor(page: Page) {
    for (const unit of page.decoder?.units ?? []) this.names[unit.number] = unit.name;
    for (const concept of page.concepts?.concepts ?? []) this.names[concept.unit] = concept.name;
    this.row = page.anomalies?.rows[0] ?? page.reconstructions?.rows[0] ?? 0;
  }

  /** A unit's name, or its number. */
  title(unit: number): string {
    return this.names[unit] || `unit ${unit}`;
  }
}
