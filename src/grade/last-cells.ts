/** The places at which two lists of one length hold other objects, in their order; undefined where the lengths differ. */
export function changedPlaces<Item>(before: readonly Item[], now: readonly Item[]): number[] | undefined {
  if (before === now) return [];
  if (before.length !== now.length) return undefined;
  const places: number[] = [];
  for (let place = 0; place < now.length; place++) if (before[place] !== now[place]) places.push(place);
  return places;
}

/**
 * What was worked out of lists of cells, by probe, so that a further time only cells that are others are worked out: an input is the same
 * where it is the same object at the same place of a list as long as the last. Cells that are the same are not looked at, only compared: of
 * tens of thousands each look is a miss of the processor's cache.
 */
export class LastCells<Input extends object, Output> {
  private readonly last = new Map<string, { inputs: readonly Input[]; outputs: readonly Output[] }>();

  /** Nothing of before counts any more. */
  clear(): void {
    this.last.clear();
  }

  /** By the list's order; `work` is given the inputs that are others, and gives an output for each. The list is not to be changed. */
  map(
    probe: string,
    inputs: readonly Input[],
    work: (inputs: readonly Input[]) => readonly Output[],
  ): readonly Output[] {
    const last = this.last.get(probe);
    const places = last === undefined ? undefined : changedPlaces(last.inputs, inputs);
    const outputs =
      last === undefined || places === undefined ? work(inputs) : patched(last.outputs, inputs, places, work);
    this.last.set(probe, { inputs, outputs });
    return outputs;
  }
}

function patched<Input, Output>(
  outputs: readonly Output[],
  inputs: readonly Input[],
  places: readonly number[],
  work: (inputs: readonly Input[]) => readonly Output[],
): readonly Output[] {
  if (places.length === 0) return outputs;
  const fresh = work(places.map((place) => inputs[place] as Input));
  const result = [...outputs];
  for (const [index, place] of places.entries()) result[place] = fresh[index] as Output;
  return result;
}
