/** The places at which two lists of one length hold other objects, in their order; undefined where the lengths differ. */
export function changedPlaces<Item>(before: readonly Item[], now: readonly Item[]): number[] | undefined {
  if (before === now) return [];
  if (before.length !== now.length) return undefined;
  const places: number[] = [];
  for (let place = 0; place < now.length; place++) if (before[place] !== now[place]) places.push(place);
  return places;
}

/**
 * What was worked out of lists of cells, by probe, so that a further time only cells that are others are worked out: those that were not
 * in the last list. Cells that are the same at their places are not looked at, only compared: of tens of thousands each look is a miss of the
 * processor's cache.
 */
export class LastCells<Input extends object, Output> {
  private readonly last = new Map<string, Worked<Input, Output>>();

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
    const outputs = last === undefined ? work(inputs) : outputsOf(last, inputs, work);
    this.last.set(probe, { inputs, outputs });
    return outputs;
  }
}

interface Worked<Input, Output> {
  inputs: readonly Input[];
  outputs: readonly Output[];
}

function outputsOf<Input, Output>(
  last: Worked<Input, Output>,
  inputs: readonly Input[],
  work: (inputs: readonly Input[]) => readonly Output[],
): readonly Output[] {
  const places = changedPlaces(last.inputs, inputs);
  if (places?.length === 0) return last.outputs;
  // Where most are others, they may have moved.
  if (places === undefined || 2 * places.length > inputs.length) return found(last, inputs, work);
  const fresh = work(places.map((place) => inputs[place] as Input));
  const result = [...last.outputs];
  for (const [index, place] of places.entries()) result[place] = fresh[index] as Output;
  return result;
}

function found<Input, Output>(
  last: Worked<Input, Output>,
  inputs: readonly Input[],
  work: (inputs: readonly Input[]) => readonly Output[],
): readonly Output[] {
  const placeOf = new Map(last.inputs.map((input, place) => [input, place]));
  const fresh = work(inputs.filter((input) => !placeOf.has(input)));
  let next = 0;
  return inputs.map((input) => {
    const place = placeOf.get(input);
    return (place === undefined ? fresh[next++] : last.outputs[place]) as Output;
  });
}
