/** What a reset goes back to, in the lab's state directory; it holds the cluster's secrets. */
export const SNAPSHOT_FILE = "snapshot.json";
