/** Names and values of a file stand in messages about it; what is longer than this is nobody's to read. */
const MOST = 800;

/** Text for a message: of one that is too long, its beginning and its end. */
export function shorten(text: string): string {
  return text.length <= MOST ? text : `${text.slice(0, MOST - 200)} … ${text.slice(-200)}`;
}
