import { netns } from "./netns/provider.ts";
import type { Provider } from "./types.ts";

/** Every provider; its key is its name in lab files and on the command line. */
export const providers = { netns } as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof providers;

export const defaultProvider: ProviderName = "netns";
