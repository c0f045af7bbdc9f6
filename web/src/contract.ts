// Written by scripts/contract from src/isthmus/report/contract.py; change it there.

/**
 * An array beside the page: where its bytes are, and how they are read.
 *
 * Bytes are little-endian, C order, and compressed by gzip. Where ``step`` is given, one number per place of the last
 * axis or one for all, a stored whole number s stands for ``low + step * s``; the largest that the type holds is NaN.
 */
export interface Packed {
  blob: string;
  type: string;
  shape: number[];
  low: number[];
  step: number[];
}

/**
 * A column of the data: its kind, its levels, how its cells are written, and what values it has.
 *
 * Kinds are number, count, category, binary, constant, hashed and date. ``unseen`` is the cell of a level that is not
 * among ``levels``. ``format`` and ``unit`` are those of the
 * codec, ``step`` is a date's in seconds, 1 of whole numbers, else 0.
 */
export interface Column {
  name: string;
  kind: string;
  levels: (string | number | boolean)[];
  low: number | null;
  high: number | null;
  step: number;
  format: string;
  buckets: number;
  unseen: number;
}

/**
 * What is known of the rows beside their cells: a class for each row, or a number.
 */
export interface Labels {
  name: string;
  classes: string[];
  values: Packed;
}

/**
 * The rows that the page shows.
 *
 * ``kind`` is table, image, signal, series (rows are points of time) or numbers; ``shape`` is that of one row,
 * (channels, height, width), (channels, length) or (columns,); pixels are drawn between ``low`` and ``high``.
 */
export interface Data {
  name: string;
  kind: string;
  shape: number[];
  columns: Column[];
  rows: number;
  cells: Packed;
  numbers: Packed;
  low: number;
  high: number;
  note: string;
  labels: Labels | null;
  titles: string[];
}

/**
 * An ONNX graph that the page runs: its bytes, and the width of its input.
 */
export interface Graph {
  blob: string;
  width: number;
}

/**
 * One of the six parts in the formalism's words.
 */
export interface Part {
  role: string;
  text: string;
}

/**
 * A measured number with its unit and what it stands beside.
 */
export interface Measure {
  name: string;
  value: number | null;
  unit: string;
  beside: Beside[];
  better: string;
  help: string;
}

/**
 * A number that another is compared with.
 */
export interface Beside {
  name: string;
  value: number | null;
}

/**
 * A sentence about the model: good, note or warning.
 */
export interface Verdict {
  kind: string;
  text: string;
}

/**
 * A term of the loss by epoch, for training and held-out rows; members of an ensemble have one each.
 */
export interface Curve {
  name: string;
  unit: string;
  epochs: number[];
  training: (number | null)[];
  held_out: (number | null)[];
}

/**
 * What was trained, on what, and how well.
 */
export interface Summary {
  model: string;
  title: string;
  trained_on: string;
  parts: Part[];
  measures: Measure[];
  curves: Curve[];
  best_epoch: number | null;
  verdicts: Verdict[];
}

/**
 * Rows and what comes back: the best, some typical ones and the worst, and how well each row of the page does.
 */
export interface Reconstructions {
  rows: number[];
  groups: string[];
  corrupted: Packed | null;
  corruption: string;
  reconstruction: Packed;
  surprise: Packed;
  unit: string;
  usual: number[];
  error: Packed;
  error_unit: string;
}

/**
 * A number of the code: its name, quantiles 0, 0.01, 0.25, 0.5, 0.75, 0.99 and 1, and how often it is not 0.
 */
export interface Unit {
  number: number;
  name: string;
  quantiles: number[];
  rate: number;
  share: number;
  effect: number;
}

/**
 * A way to see codes in two dimensions: the places of rows, and what the axes are.
 */
export interface Plane {
  name: string;
  places: Packed;
  axes: string[];
}

/**
 * Every row as a point: its code, and planes to look at it in.
 */
export interface CodeMap {
  code: Packed;
  planes: Plane[];
  score: Packed | null;
  score_name: string;
}

/**
 * The decoder to play with; frames were decoded beforehand, for pages that cannot decode.
 *
 * ``frames``, (units, steps, columns), decode the mean code with one unit at each of its ``steps``, (units, steps).
 */
export interface Decoder {
  units: Unit[];
  mean: number[];
  steps: Packed;
  frames: Packed | null;
  samples: Packed | null;
  sampled_from: string;
  whole: boolean;
}

/**
 * A label that a concept lifts: how much likelier it is where the concept is active.
 */
export interface Label {
  label: string;
  lift: number;
  low: number;
  high: number;
  precision: number;
  recall: number;
}

/**
 * A concept like another: by the direction that it writes, and by its values.
 */
export interface Near {
  unit: number;
  cosine: number;
  correlation: number;
}

/**
 * Examples between two quantiles of a concept's values: rows of the page.
 */
export interface Band {
  name: string;
  low: number;
  high: number;
  rows: number[];
}

/**
 * The passport of a unit. Its atom, traversal and places are rows of the arrays beside it.
 */
export interface Concept {
  unit: number;
  name: string;
  rate: number;
  quantiles: number[];
  bands: Band[];
  contrast: number[];
  labels: Label[];
  nearest: Near[];
  flags: string[];
  stability: number | null;
  sentence: string;
}

/**
 * The gallery of concepts.
 */
export interface Concepts {
  concepts: Concept[];
  atoms: Packed;
  atom_unit: string;
  where: Packed;
  steps: Packed;
  traversal: Packed;
}

/**
 * A self-explaining model: what it predicts, and what the page needs to show why.
 *
 * Without graphs, the rows of ``rows`` have their contributions, (rows, outputs, concepts + 1); the last concept is
 * the constant. ``low``, ``high`` and ``spread`` are of each concept in the rows of the fit: the ends between which
 * counterfactuals stay (quantiles 0.005 and 0.995), and the standard deviation that a change is measured in.
 */
export interface Prediction {
  target: string;
  classes: string[];
  outputs: string[];
  unit: string;
  rows: number[];
  relevances: Packed;
  contributions: Packed;
  predicted: Packed;
  confidence: Packed | null;
  low: number[];
  high: number[];
  spread: number[];
  reads: string;
}

/**
 * Scores of all rows of the page and reasons for the strangest ones.
 */
export interface Anomalies {
  score: Packed;
  p_value: Packed;
  rows: number[];
  contributions: Packed;
  expected: Packed;
  low: Packed | null;
  high: Packed | null;
  neighbours: Packed | null;
  calibration: Packed;
  threshold: number;
  alarm_rate: number;
  note: string;
  of_fit: boolean;
}

/**
 * All that the page shows; a section is null where the model or the data have none.
 */
export interface Page {
  format: number;
  version: string;
  title: string;
  data: Data;
  summary: Summary;
  graphs: Record<string, Graph>;
  live: string;
  editable: boolean;
  reconstructions: Reconstructions | null;
  code_map: CodeMap | null;
  decoder: Decoder | null;
  concepts: Concepts | null;
  prediction: Prediction | null;
  anomalies: Anomalies | null;
}
