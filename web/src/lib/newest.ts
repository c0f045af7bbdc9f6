// Questions that come faster than answers: one is asked at a time, and of those that wait only the newest.

export class Newest<Q, A> {
  private waiting: Q | null = null;
  private busy = false;

  constructor(
    private readonly ask: (question: Q) => Promise<A>,
    private readonly told: (answer: A) => void,
    private readonly failed: (error: Error) => void,
  ) {}

  put(question: Q): void {
    this.waiting = question;
    if (!this.busy) void this.work();
  }

  private async work(): Promise<void> {
    this.busy = true;
    while (this.waiting !== null) {
      const question = this.waiting;
      this.waiting = null;
      try {
        this.told(await this.ask(question));
      } catch (error) {
        this.failed(error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.busy = false;
  }
}
