/** One command of a script, without the words of the shell around it. */
export interface ScriptCommand {
  argv: string[];
  isBackground: boolean;
  /** Stands inside a loop without end. */
  isLooped: boolean;
}

const KEYWORDS = new Set([
  "if",
  "then",
  "else",
  "elif",
  "fi",
  "do",
  "done",
  "while",
  "until",
  "for",
  "case",
  "esac",
  "{",
  "}",
  "(",
  ")",
  "!",
  "exec",
  "time",
  "nohup",
]);

/**
 * The commands of a POSIX shell script in the order they stand, as far as words, quotes and separators tell; no
 * variables are expanded, no branches decided. Enough to see what a container's one-liner would listen on.
 */
export function scriptCommands(script: string): ScriptCommand[] {
  const commands: ScriptCommand[] = [];
  let endless = 0;
  for (const { words, end } of simpleCommands(script)) {
    const [first, second] = words;
    if (first === "while" && (second === "true" || second === ":" || second === "[")) endless += second === "[" ? 0 : 1;
    if (first === "until" && second === "false") endless += 1;
    const argv = stripKeywords(words);
    if (argv.length > 0) commands.push({ argv, isBackground: end === "&", isLooped: endless > 0 });
  }
  return commands;
}

function stripKeywords(words: readonly string[]): string[] {
  let start = 0;
  for (; start < words.length; start += 1) {
    const word = words[start] ?? "";
    if (!KEYWORDS.has(word) && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word)) break;
  }
  const argv = words.slice(start);
  const redirect = argv.findIndex((word) => /^(\d*[<>]|&>)/.test(word));
  // `echo ok > file`: what follows the redirection is its file, not an argument.
  return redirect < 0 ? argv : argv.slice(0, redirect);
}

/** Splits at `;`, newline, `&`, `&&`, `||` and `|` outside quotes, and each part into words. */
function simpleCommands(script: string): { words: string[]; end: string }[] {
  const commands: { words: string[]; end: string }[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (end: string): void => {
    endWord();
    if (words.length > 0) commands.push({ words, end });
    words = [];
  };
  for (let index = 0; index < script.length; index += 1) {
    const char = script[index] ?? "";
    if (char === "'" || char === '"') {
      const close = closingQuote(script, index);
      word = (word ?? "") + script.slice(index + 1, close);
      index = close;
    } else if (char === "\\") {
      index += 1;
      if (script[index] !== "\n") word = (word ?? "") + (script[index] ?? "");
    } else if (char === "#" && word === undefined) {
      while (index + 1 < script.length && script[index + 1] !== "\n") index += 1;
    } else if (char === "&" && (script[index - 1] === ">" || script[index + 1] === ">")) {
      word = (word ?? "") + char;
    } else if (";\n&|".includes(char)) {
      const isDouble = script[index + 1] === char && char !== "\n";
      if (isDouble) index += 1;
      endCommand(isDouble ? char + char : char);
    } else if (/\s/.test(char)) endWord();
    else if ((char === "(" || char === ")") && word === undefined) {
      endWord();
      words.push(char);
    } else word = (word ?? "") + char;
  }
  endCommand("");
  return commands;
}

function closingQuote(script: string, open: number): number {
  const quote = script[open];
  for (let index = open + 1; index < script.length; index += 1) {
    if (script[index] === "\\" && quote === '"') index += 1;
    else if (script[index] === quote) return index;
  }
  return script.length;
}
