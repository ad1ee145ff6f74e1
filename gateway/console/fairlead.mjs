// fairlead.js for those who import: import { Socket } from "./fairlead.mjs".
import "./fairlead.js";

export const { Socket, Channel } = globalThis.Fairlead;
