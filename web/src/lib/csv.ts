// Text that spreadsheets and data frames read, after RFC 4180.

/** A field, in quotes where it needs them; text that a spreadsheet would take for a formula stays text. */
export function field(text: string): string {
  const kept = /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(kept) ? `"${kept.replaceAll('"', '""')}"` : kept;
}

/** Pieces of a file: a line of names, then a line per row. Pieces, as one text might be too long. */
export function* csv(names: readonly string[], rows: Iterable<readonly (string | number)[]>): Generator<string> {
  let block = names.map(field).join(",") + "\r\n";
  for (const row of rows) {
    block += row.map((cell) => (typeof cell === "number" ? String(cell) : field(cell))).join(",") + "\r\n";
    if (block.length > 1 << 20) {
      yield block;
      block = "";
    }
  }
  yield block;
}

/** Hand a file to the person; nothing leaves the machine. */
export function save(name: string, pieces: Iterable<string>, type = "text/csv"): void {
  const url = URL.createObjectURL(new Blob([...pieces], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

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
