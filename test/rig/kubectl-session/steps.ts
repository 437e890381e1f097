/*
 * A session with kubectl such as a candidate of the CKA or CKAD has, in the order of work. Each step is one command line; `{file}` are
 * the files of `files.ts`, `$NAME` is what an earlier step kept under that name. Where a step's output depends on what control loops have
 * done, a step before it waits for that.
 */

/** One command of the session. */
export interface Step {
  /** Words of the command after `kubectl`; single quotes group. */
  run: string;
  /** Keeps what standard output says, without the white space around it, for later steps. */
  keep?: string;
  /** What standard input has. */
  input?: string;
}

const IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53";

/** A step for each command line. */
function lines(text: string): Step[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const [, name, run] = /^([A-Z]+) = (.*)$/.exec(line) ?? [];
      return name === undefined || run === undefined ? { run: line } : { run, keep: name };
    });
}

const looking = lines(`
  get nodes -o name
  get nodes --no-headers -o custom-columns=READY:.status.conditions[?(@.type=="Ready")].status
  get namespaces kube-system -o jsonpath={.status.phase}
  get svc kubernetes -n default
  get svc kubernetes -n default -o jsonpath={.spec.ports[0].targetPort}
  get pods -n nowhere
  get pod nobody
  get nosuchkind
  get pods,svc -n nowhere
  auth whoami -o jsonpath={.kind}
  auth can-i create deployments
  auth can-i list pods -A
  api-resources --api-group=apps
  api-resources --api-group=networking.k8s.io -o name --namespaced=true
  api-versions
  explain networkpolicy.spec.ingress
  explain pod.spec.containers.readinessProbe
  explain deployment.spec.replicas
  explain deployment.spec.nosuch
  explain service --api-version=v1
`);

const workloads = lines(`
  create namespace session
  create namespace session
  create namespace other --dry-run=client -o yaml
  create namespace other --dry-run=server
  get namespace other
  label namespace session team=red
  get namespace session --show-labels
  create deployment web -n session --image=${IMAGE} --replicas=2 --port=8080 -- /agnhost netexec --http-port=8080
  rollout status deployment/web -n session --timeout=120s
  get deployment web -n session
  get deployment web -n session -o wide
  get replicasets -n session
  get pods -n session -l app=web
  get pods -n session -l app=web -o wide
  get pods -n session --field-selector=status.phase=Running -l app=web --no-headers -o custom-columns=OWNER:.metadata.ownerReferences[0].kind
  get pods -n session --field-selector=status.phase=Pending
  get all -n session
  get deployment web -n session -o jsonpath={.spec.template.spec.containers[0].command}
  get deployment web -n session -o yaml
  get pods -n session -o jsonpath={.items[*].status.phase}
  get pods -n session --sort-by=.metadata.name -o jsonpath={.items[*].spec.restartPolicy}
  POD = get pods -n session -l app=web -o jsonpath={.items[0].metadata.name}
  get pod $POD -n session
  get pod $POD -n session -o jsonpath={.status.qosClass}
  get pod $POD -n session -o jsonpath={.status.containerStatuses[0].ready}
  get pod $POD -n session -o jsonpath={.spec.containers[0].imagePullPolicy}
  describe deployment web -n session
  describe pod $POD -n session
  describe namespace session
  scale deployment web -n session --replicas=3
  wait deployment/web -n session --for=jsonpath={.status.readyReplicas}=3 --timeout=60s
  scale deployment web -n session --current-replicas=2 --replicas=4
  scale deployment nosuch -n session --replicas=4
  scale deployment web -n session --replicas=2
  wait deployment/web -n session --for=jsonpath={.status.replicas}=2 --timeout=60s
  set env deployment/web -n session COLOUR=green
  rollout status deployment/web -n session --timeout=120s
  set env deployment/web -n session --list
  annotate deployment/web -n session kubernetes.io/change-cause=colour
  rollout history deployment/web -n session
  rollout history deployment/web -n session --revision=2
  set image deployment/web -n session agnhost=registry.k8s.io/e2e-test-images/agnhost:2.43
  rollout undo deployment/web -n session
  rollout status deployment/web -n session --timeout=120s
  rollout pause deployment/web -n session
  rollout pause deployment/web -n session
  rollout resume deployment/web -n session
  rollout restart deployment/web -n session
  rollout status deployment/web -n session --timeout=120s
  rollout undo deployment/web -n session --to-revision=99
  set resources deployment/web -n session --limits=cpu=200m,memory=64Mi
  rollout status deployment/web -n session --timeout=120s
  get deployment web -n session -o jsonpath={.spec.template.spec.containers[0].resources.limits.memory}
  set image deployment/web -n session nosuch=x
  autoscale deployment web -n session --min=2 --max=5 --cpu-percent=80
  get hpa web -n session -o jsonpath={.spec.maxReplicas}
  delete hpa web -n session
  run single -n session --image=${IMAGE} --labels=app=single --port=8080 -- netexec --http-port=8080
  wait pod/single -n session --for=condition=Ready --timeout=60s
  get pod single -n session --show-labels
  get pod single -n session -o jsonpath={.spec.containers[0].args}
  run bad_name -n session --image=${IMAGE}
  run single -n session --image=${IMAGE}
  label pod single -n session tier=front
  label pod single -n session tier=back
  label pod single -n session tier=back --overwrite
  label pod single -n session tier-
  annotate pod single -n session note='a b'
  get pod single -n session -o jsonpath={.metadata.annotations.note}
  top pods -n session
`);

const services = lines(`
  expose deployment web -n session --port=80 --target-port=8080
  expose deployment web -n session --port=80 --target-port=8080
  expose pod single -n session --port=8080 --type=NodePort --name=door
  get svc web -n session
  get svc -n session -o custom-columns=NAME:.metadata.name,TYPE:.spec.type,PORT:.spec.ports[0].port
  describe svc web -n session
  get endpoints web -n session -o jsonpath={.subsets[0].ports[0].port}
  get endpointslices -n session -l kubernetes.io/service-name=web -o jsonpath={.items[0].ports[0].port}
  create service clusterip made -n session --tcp=5678:8080
  create service nodeport node -n session --tcp=80 --node-port=30777
  create service nodeport again -n session --tcp=80 --node-port=30777
  create service externalname away -n session --external-name=example.com
  get svc away -n session
  patch svc web -n session -p '{"spec":{"sessionAffinity":"ClientIP"}}'
  get svc web -n session -o jsonpath={.spec.sessionAffinityConfig}
  patch svc web -n session --type=json -p '[{"op":"replace","path":"/spec/sessionAffinity","value":"None"}]'
  patch svc web -n session --type=merge -p '{"metadata":{"labels":{"x":"y"}}}'
  patch svc web -n session -p '{"spec":{"clusterIP":"10.96.1.1"}}'
  delete svc made node away -n session
  get svc made -n session
  get svc made -n session --ignore-not-found
  delete svc made -n session --ignore-not-found
`);

const files = lines(`
  apply -n session -f {policy}
  apply -n session -f {policy}
  get netpol -n session
  describe netpol only-red -n session
  get netpol only-red -n session -o jsonpath={.spec.policyTypes}
  get netpol only-red -n session -o yaml
  apply -n session -f {changed-policy}
  diff -n session -f {policy}
  diff -n session -f {changed-policy}
  apply -n session -f {policy} --dry-run=server
  apply -n session -f {policy} --dry-run=client -o name
  apply -n session -f {unknown-field}
  apply -n session -f {unknown-field} --validate=ignore --dry-run=server
  apply -n session -f {wrong-type}
  apply -n session -f {not-a-name}
  create -n session -f {policy}
  replace -n session -f {policy}
  apply view-last-applied netpol/only-red -n session
  delete -n session -f {policy}
  apply -n session --server-side -f {settings}
  apply -n session --server-side -f {settings}
  apply -n session --server-side --field-manager=another -f {other-settings}
  apply -n session --server-side --field-manager=another --force-conflicts -f {other-settings}
  get configmap settings -n session -o jsonpath={.data}
  get configmap settings -n session --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}
  create configmap plain -n session --from-literal=a=1 --from-literal=b=2
  create configmap plain -n session --from-literal=a=1
  get configmap plain -n session
  get configmap plain -n session -o yaml
  describe configmap plain -n session
  create secret generic key -n session --from-literal=password=hidden
  get secret key -n session -o jsonpath={.data.password}
  describe secret key -n session
  create ingress site -n session --rule=site.example/*=web:80
  get ingress site -n session
  describe ingress site -n session
  create job once -n session --image=${IMAGE} --dry-run=client -o name
  create serviceaccount robot -n session
  get serviceaccounts -n session -o name
  create quota small -n session --hard=pods=50 --dry-run=client -o name
  apply -n session -f {stateful}
  rollout status statefulset/db -n session --timeout=120s
  get statefulset -n session
  get pods -n session -l app=db
  apply -n session -f {everywhere}
  rollout status daemonset/agent -n session --timeout=120s
  get daemonset -n session
  apply -f {definition}
  wait crd/widgets.lab.example --for=condition=Established --timeout=30s
  create -n session -f {widget}
  get widgets -n session
  get widget first -n session -o jsonpath={.spec.size}
  delete crd widgets.lab.example
  get widgets -n session
`);

const inside = lines(`
  exec single -n session -- hostname
  exec -n session deployment/web -- sh -c 'exit 3'
  exec single -n session -- nosuchprogram
  exec nosuch -n session -- true
  logs nosuch -n session
  logs single -n session -c wrong
`);

const ends = lines(`
  cordon $NODE
  get node $NODE -o jsonpath={.spec.unschedulable}
  uncordon $NODE
  taint node $NODE session=yes:PreferNoSchedule
  taint node $NODE session=yes:PreferNoSchedule
  taint node $NODE session-
  get events -n session --field-selector=involvedObject.name=single -o jsonpath={.items[*].reason}
  delete pod single -n session --grace-period=1
  delete pod single -n session
  delete deployment web -n session --cascade=orphan
  get replicasets -n session -o jsonpath={.items[*].metadata.ownerReferences}
  delete all --all -n session --grace-period=1 --wait=false
  delete namespace session
  get namespace session
  delete namespace session
  delete namespace default
`);

/** The session, in order. */
export const steps: readonly Step[] = [
  ...looking,
  { run: "get nodes -l !node-role.kubernetes.io/control-plane -o jsonpath={.items[0].metadata.name}", keep: "NODE" },
  ...workloads,
  ...services,
  ...files,
  ...inside,
  { run: "create -f -", input: "{" },
  { run: "create -n session -f -", input: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"piped"}}' },
  ...ends,
];
