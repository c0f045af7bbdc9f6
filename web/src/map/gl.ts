// Points by WebGL: a million of them move with the pointer.
import createScatterplot, { createRenderer, createSpatialIndex } from "regl-scatterplot";
import { opacity, pointSize, type Cloud, type Events, type Plot } from "./plot";

const LARGE = 300_000;

/** Whether this browser draws with WebGL, and with the precision that the plot needs. */
export function supported(): boolean {
  const gl = document.createElement("canvas").getContext("webgl");
  if (gl === null) return false;
  const found = ["OES_texture_float", "OES_element_index_uint", "ANGLE_instanced_arrays"].every((name) => gl.getExtension(name));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return found;
}

export function gl(canvas: HTMLCanvasElement, width: number, height: number, events: Events): Plot {
  const renderer = createRenderer();
  const plot = createScatterplot({
    renderer,
    canvas,
    width,
    height,
    aspectRatio: width / height,
    // The index is made by a worker where it would keep the page from answering.
    spatialIndexUseWorker: false,
    lassoInitiator: false,
    deselectOnDblClick: false,
    opacityInactiveMax: 0.25,
    opacityInactiveScale: 0.5,
    pointOutlineWidth: 0,
    pointSizeSelected: 1,
  });
  let [last, selected]: [Cloud | null, number[]] = [null, []];
  let index: ArrayBuffer | undefined;
  let drawn: Promise<void> = Promise.resolve();

  const again = (): void => plot.select(selected, { preventEvent: true });
  plot.subscribe("pointOver", (row) => events.over(row));
  plot.subscribe("pointOut", () => events.over(-1));
  plot.subscribe("view", () => events.moved());
  plot.subscribe("select", ({ points }) => {
    // A point that is clicked is looked at; what is selected stays so.
    if (points.length !== 1) return events.select(points);
    again();
    events.choose(points[0] as number);
  });
  plot.subscribe("deselect", () => events.select([]));

  async function show(cloud: Cloud): Promise<void> {
    const count = cloud.x.length;
    if (last?.x !== cloud.x || last.y !== cloud.y) index = await indexed(cloud);
    last = cloud;
    plot.set({ pointColor: cloud.palette, colorBy: "valueA", pointSize: pointSize(count), opacity: opacity(count) });
    const points = { x: cloud.x, y: cloud.y, valueA: cloud.colours };
    await plot.draw(points, { zDataType: "categorical", ...(index ? { spatialIndex: index } : {}) });
    if (selected.length > 0) again();
    events.moved();
  }

  return {
    draw: (cloud) => (drawn = drawn.then(() => show(cloud))),
    select: (rows) => {
      selected = rows;
      if (last === null) return;
      if (rows.length > 0) again();
      else plot.deselect({ preventEvent: true });
    },
    lasso: (on) => plot.set({ mouseMode: on ? "lasso" : "panZoom" }),
    zoom: (by) => void plot.zoomToLocation(target(plot.get("cameraTarget")), distance(plot.get("cameraDistance")) / by),
    home: () => plot.reset(),
    look: ({ background, ink, accent }) =>
      plot.set({ backgroundColor: background, pointColorActive: ink, pointColorHover: ink, lassoColor: accent }),
    resize: (w, h) => plot.set({ width: w, height: h, aspectRatio: w / h }),
    at: (row) => (last === null ? null : ((plot.getScreenPosition(row) as [number, number] | undefined) ?? null)),
    destroy: () => {
      plot.destroy();
      renderer.destroy();
    },
  };
}

const target = (value: unknown): [number, number] => [...(value as ArrayLike<number> & Iterable<number>)].slice(0, 2) as [number, number];
const distance = (value: unknown): number => (typeof value === "number" ? value : ((value as ArrayLike<number>)[0] ?? 1));

/** The index by which points are found; undefined where the plot shall make it itself. */
async function indexed(cloud: Cloud): Promise<ArrayBuffer | undefined> {
  if (cloud.x.length < LARGE) return undefined;
  try {
    return await createSpatialIndex({ x: cloud.x, y: cloud.y }, true);
  } catch {
    return undefined; // no workers here
  }
}
