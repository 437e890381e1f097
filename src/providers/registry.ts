import { existing } from "./existing/provider.ts";
import { kind } from "./kind/provider.ts";
import { netns } from "./netns/provider.ts";
import { ssh } from "./ssh/provider.ts";
import type { Provider } from "./types.ts";

/** Every provider; its key is its name in lab files and on the command line. */
export const providers = { netns, kind, ssh, existing } as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof providers;

export const defaultProvider: ProviderName = "netns";
