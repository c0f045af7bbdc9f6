// Lines of comma-separated values, read and written.

/** Values of one line; the separator is a tab, a semicolon or a comma, whichever occurs first outside quotes. */
export function values(line: string): string[] {
  const bare = line.replace(/"(?:[^"]|"")*"/g, "");
  const separator = ["\t", ";", ","].find((each) => bare.includes(each)) ?? ",";
  const found: string[] = [];
  let [text, inside] = ["", false];
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (inside && c === '"' && line[i + 1] === '"') [text, i] = [`${text}"`, i + 1];
    else if (c === '"' && (inside || text === "")) inside = !inside;
    else if (c === separator && !inside) {
      found.push(text);
      text = "";
    } else text += c;
  }
  return [...found, text];
}

/** One line; text that a spreadsheet would take for a formula is kept text. */
export function line(cells: readonly (string | number)[]): string {
  return cells.map((cell) => (typeof cell === "number" ? String(cell) : safe(cell))).join(",");
}

function safe(text: string): string {
  const kept = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(kept) ? `"${kept.replaceAll('"', '""')}"` : kept;
}

/** Pieces of a file: a line of names, then a line per row. One text might be longer than a browser lets it be. */
export function* csv(names: readonly string[], rows: Iterable<readonly (string | number)[]>): Generator<string> {
  let block = line(names) + "\r\n";
  for (const row of rows) {
    block += line(row) + "\r\n";
    if (block.length > 1 << 20) {
      yield block;
      block = "";
    }
  }
  yield block;
}

/** Give the person a file, whose text may come in pieces. */
export function download(name: string, text: string | Iterable<string>, type = "text/csv"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(typeof text === "string" ? [text] : [...text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  // Browsers begin to save before they return to the page's work.
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
