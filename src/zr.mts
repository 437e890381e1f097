export {registries} from "./run/registries.ts";
