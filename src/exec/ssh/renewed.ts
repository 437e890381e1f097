/** Something that takes time to make and may go bad: made when it is first needed, and anew when it is needed and no longer good. */
export class Renewed<Thing> {
  private current: Promise<Thing> | undefined;
  private readonly make: () => Promise<Thing>;
  private readonly isGood: (thing: Thing) => boolean;

  constructor(make: () => Promise<Thing>, isGood: (thing: Thing) => boolean) {
    this.make = make;
    this.isGood = isGood;
  }

  /** All who ask at the same time get the same one. A failure is for those who asked; the next one tries again. */
  async get(): Promise<Thing> {
    const former = this.current;
    const known = await this.known();
    if (known !== undefined && this.isGood(known)) return known;
    if (this.current === former || this.current === undefined) {
      const made = this.make();
      made.catch(() => undefined);
      this.current = made;
    }
    return this.current;
  }

  /** The one there is, good or bad; undefined where there is none. */
  async known(): Promise<Thing | undefined> {
    return this.current?.catch(() => undefined);
  }
}
