import { acquireLeases, type LeaseOwner } from "../../src/providers/ssh/lease.ts";
import { dockerRemote } from "./docker-remote.ts";

/** A controller that takes machines and is killed at any moment: its owner and the machines' containers come as JSON. */
const { owner, containers } = JSON.parse(process.argv[2] ?? "{}") as { owner: LeaseOwner; containers: string[] };
const machines = containers.map((container) => ({ name: container, remote: dockerRemote({ container, user: "lab" }) }));
console.log("starting");
await acquireLeases(machines, owner, { phase: "acquire" });
console.log("taken");
