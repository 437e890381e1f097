/** pkg/provider Normalize: what is no letter and no digit parts the words. */
export function normalize(name: string): string {
  return name
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "")
    .join("-");
}
