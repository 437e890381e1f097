/** Interface numbers of one namespace. We choose them, so that a whole batch can be built before anything exists. */
export class InterfaceIndexes {
  private readonly byName: Map<string, number>;
  private next: number;

  /** `present`: links that are there already. */
  constructor(present: readonly { name: string; index: number }[] = [{ name: "lo", index: 1 }]) {
    this.byName = new Map(present.map(({ name, index }) => [name, index]));
    this.next = Math.max(...this.byName.values()) + 1;
  }

  add(name: string): number {
    const index = this.next++;
    this.byName.set(name, index);
    return index;
  }

  of(name: string): number {
    const index = this.byName.get(name);
    if (index === undefined) throw new Error(`no interface ${name} in this namespace`);
    return index;
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  delete(name: string): void {
    this.byName.delete(name);
  }
}

/** The other namespace of a veth pair. */
export interface PeerNamespace {
  fd: number;
  indexes: InterfaceIndexes;
}
