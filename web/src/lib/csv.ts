// Text that spreadsheets and data frames read, after RFC 4180.

/** A field, in quotes where it needs them. */
export function field(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Pieces of a file: a line of names, then a line per row. Pieces, as one text might be too long. */
export function* csv(names: string[], rows: Iterable<string[]>): Generator<string> {
  let block = names.map(field).join(",") + "\r\n";
  for (const row of rows) {
    block += row.map(field).join(",") + "\r\n";
    if (block.length > 1 << 20) {
      yield block;
      block = "";
    }
  }
  yield block;
}

/** Hand a file to the person; nothing leaves the machine. */
export function save(name: string, pieces: Iterable<string>): void {
  const url = URL.createObjectURL(new Blob([...pieces], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
