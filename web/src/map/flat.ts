// Points on a plain canvas, where there is no WebGL.
import { inside } from "../lib/selection";
import { opacity, pointSize, type Cloud, type Events, type Look, type Plot } from "./plot";

export class Flat implements Plot {
  private cloud: Cloud | null = null;
  private scale = 1;
  private x = 0;
  private y = 0;
  private lassoing = false;
  private trail: number[] = [];
  private from: [number, number] | null = null;
  private moved = false;
  private selected = new Set<number>();
  private colours: Look = { background: "#fff", ink: "#000", accent: "#00f" };
  private asked = 0;
  private painted: Promise<void> | null = null;
  private readonly ended = new AbortController();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private width: number,
    private height: number,
    private readonly events: Events,
  ) {
    this.resize(width, height);
    const { signal } = this.ended;
    canvas.addEventListener("pointerdown", (event) => this.down(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.move(event), { signal });
    canvas.addEventListener("pointerup", (event) => this.up(event), { signal });
    canvas.addEventListener("pointerleave", () => events.over(-1), { signal });
    canvas.addEventListener("wheel", (event) => this.wheel(event), { signal });
  }

  draw(cloud: Cloud): Promise<void> {
    this.cloud = cloud;
    return this.paint();
  }

  select(rows: number[]): void {
    this.selected = new Set(rows);
    void this.paint();
  }

  lasso(on: boolean): void {
    this.lassoing = on;
  }

  zoom(by: number): void {
    this.scale *= by;
    void this.paint();
  }

  home(): void {
    [this.scale, this.x, this.y] = [1, 0, 0];
    void this.paint();
  }

  look(look: Look): void {
    this.colours = look;
    void this.paint();
  }

  resize(width: number, height: number): void {
    [this.width, this.height] = [width, height];
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = height * devicePixelRatio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    void this.paint();
  }

  at(row: number): [number, number] | null {
    if (this.cloud === null) return null;
    const x = ((this.cloud.x[row] as number) - this.x) * this.scale;
    const y = ((this.cloud.y[row] as number) - this.y) * this.scale;
    return [((x + 1) / 2) * this.width, ((1 - y) / 2) * this.height];
  }

  destroy(): void {
    cancelAnimationFrame(this.asked);
    this.ended.abort();
  }

  /** Draw before the next frame, once for however many reasons. */
  private paint(): Promise<void> {
    this.painted ??= new Promise((done) => {
      this.asked = requestAnimationFrame(() => {
        this.painted = null;
        this.now();
        this.events.moved();
        done();
      });
    });
    return this.painted;
  }

  private now(): void {
    const [context, cloud] = [this.canvas.getContext("2d"), this.cloud];
    if (context === null) return;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.fillStyle = this.colours.background;
    context.fillRect(0, 0, this.width, this.height);
    if (cloud === null) return;
    const size = pointSize(cloud.x.length);
    const few = this.selected.size > 0;
    for (let i = 0; i < cloud.x.length; i++) {
      const [x, y] = this.at(i) as [number, number];
      context.globalAlpha = opacity(cloud.x.length) * (few && !this.selected.has(i) ? 0.2 : 1);
      context.fillStyle = cloud.palette[cloud.colours[i] as number] ?? "";
      context.fillRect(x - size / 2, y - size / 2, size, size);
    }
    context.globalAlpha = 1;
    this.drawTrail(context);
  }

  private drawTrail(context: CanvasRenderingContext2D): void {
    if (this.trail.length < 4) return;
    context.strokeStyle = this.colours.accent;
    context.lineWidth = 2;
    context.beginPath();
    for (let i = 0; i < this.trail.length; i += 2) context.lineTo(this.trail[i] as number, this.trail[i + 1] as number);
    context.stroke();
  }

  /** The nearest point within a few pixels. */
  private nearest(x: number, y: number): number {
    let [best, least] = [-1, 100];
    for (let i = 0; i < (this.cloud?.x.length ?? 0); i++) {
      const [px, py] = this.at(i) as [number, number];
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away < least) [best, least] = [i, away];
    }
    return best;
  }

  private down(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    this.from = [event.offsetX, event.offsetY];
    this.moved = false;
    if (this.lassoing || event.shiftKey) this.trail = [event.offsetX, event.offsetY];
  }

  private move(event: PointerEvent): void {
    if (this.from === null) return this.events.over(this.nearest(event.offsetX, event.offsetY));
    const [dx, dy] = [event.offsetX - this.from[0], event.offsetY - this.from[1]];
    if (Math.abs(dx) + Math.abs(dy) < 4 && !this.moved) return;
    this.moved = true;
    if (this.trail.length > 0) this.trail.push(event.offsetX, event.offsetY);
    else {
      this.x -= (2 * dx) / this.width / this.scale;
      this.y += (2 * dy) / this.height / this.scale;
      this.from = [event.offsetX, event.offsetY];
    }
    void this.paint();
  }

  private up(event: PointerEvent): void {
    const trail = this.trail;
    [this.from, this.trail] = [null, []];
    if (!this.moved) {
      const row = this.nearest(event.offsetX, event.offsetY);
      if (row >= 0) this.events.choose(row);
    } else if (trail.length >= 6) this.events.select(this.within(trail));
    void this.paint();
  }

  private within(trail: number[]): number[] {
    const found: number[] = [];
    for (let i = 0; i < (this.cloud?.x.length ?? 0); i++) {
      const [x, y] = this.at(i) as [number, number];
      if (inside(trail, x, y)) found.push(i);
    }
    return found;
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400));
  }
}
