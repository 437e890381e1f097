const texts = new WeakMap<object, string>();

/** The JSON of a frozen object, made once however many watchers and lists send it. */
export function jsonText(object: object): string {
  let text = texts.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    if (Object.isFrozen(object)) texts.set(object, text);
  }
  return text;
}
