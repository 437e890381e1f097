/** The part of write-file-atomic 7 that is used here; the package has no types of its own. */
declare module "write-file-atomic" {
  interface Options {
    mode?: number;
    /** Default true. */
    fsync?: boolean;
  }
  /** Writes a temporary file beside `path`, syncs it and renames it over `path`. */
  // eslint-disable-next-line import/no-default-export
  export default function writeFileAtomic(path: string, data: string, options?: Options): Promise<void>;
}
