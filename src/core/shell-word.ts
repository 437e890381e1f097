/** A word of a command for a POSIX shell. Single quotes keep everything but themselves (POSIX.1 Shell Command Language, 2.2.2). */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
