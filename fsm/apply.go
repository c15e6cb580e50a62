package fsm

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Version of the command format that this program writes and reads.
const Version = 1

// applied is what one command did: the next View, the same as before but for
// index and memory when it was rejected, and how to tell others.
type applied struct {
	view    *View
	index   uint64 // of the write: an earlier one when the request was a retry
	err     *Rejection
	writes  []write
	reset   bool // a new epoch: the store is emptied before the writes
	changes Changes
}

// apply is the state machine: a pure function of the View and the log entry.
// It reads no clock, draws no random number and iterates over no map, so that
// every node gets the same bytes from the same log.
func apply(v *View, index uint64, cmd *peerpb.Command) applied {
	if o := v.memory.get(cmd.GetRequestId()); o != nil && cmd.GetNewEpoch() == "" {
		next := *v
		next.index = index
		return applied{view: &next, index: o.index, err: o.answer(cmd)}
	}
	d := newDraft(v, index)
	d.now, d.speaker = cmd.GetTimeMs(), speaker(cmd)
	rej := d.command(cmd)
	if rej != nil {
		d = newDraft(v, index)
	}
	if d.view.epoch != "" && cmd.GetActor() != nil { // leaders of an older program say nothing of it
		d.note(v.security, cmd, rej)
	}
	if id := cmd.GetRequestId(); id != "" && len(id) <= MaxRequestID && d.view.epoch != "" {
		d.remember(&outcome{id: id, index: index, err: rej, content: contentOf(cmd)})
	}
	return applied{view: d.view, index: index, err: rej, writes: d.writes, reset: d.reset, changes: d.changes}
}

// With returns the View after a command of these mutations, and why it would
// be rejected: a *Rejection. The View itself stays as it is. It shows
// beforehand what a write would do.
func (v *View) With(mutations []*configpb.Mutation) (*View, error) {
	d := newDraft(v, v.index+1)
	if r := d.mutations(mutations); r != nil {
		return v, r
	}
	return d.view, nil
}

// WithMost is With that goes on behind a mutation that is rejected: it returns every
// Rejection, ordered by mutation; the View has the mutations that are not rejected.
func (v *View) WithMost(mutations []*configpb.Mutation) (*View, []*Rejection) {
	d := newDraft(v, v.index+1)
	d.own()
	var bad []*Rejection
	for i, m := range mutations {
		if r := d.mutation(i+1, m); r != nil {
			bad = append(bad, r.at(i+1))
		}
	}
	bad = append(bad, d.dangling()...)
	slices.SortStableFunc(bad, func(a, b *Rejection) int { return a.Mutation - b.Mutation })
	return d.view, bad
}

// draft is a View being changed by one command.
type draft struct {
	view     *View
	now      uint64 // of the command, ms since the epoch
	speaker  string // the node that speaks for itself, "" for a client
	at       int    // the mutation that is being made, from 1
	writes   []write
	reset    bool
	changes  Changes
	touched  []touchedDN // DNs put: their groups are checked when all mutations were made
	vanished []vanished  // groups deleted: nobody may be left in them
	moved    []movedNode // nodes with another address than before: it must be nobody else's
	claims   []claimed   // dids that two DNs have: one must have given it up
}

type touchedDN struct {
	mutation int
	dn       *configpb.DN
}

type movedNode struct {
	mutation int
	node     *configpb.Node
}

type vanished struct {
	mutation int
	group    string
}

func newDraft(v *View, index uint64) *draft {
	next := *v
	next.index = index
	return &draft{view: &next}
}

func (d *draft) command(cmd *peerpb.Command) *Rejection {
	switch {
	case cmd.GetVersion() != Version:
		return reject(ErrVersion, "command version %d, this node knows %d: upgrade all nodes", cmd.GetVersion(), Version)
	case cmd.GetNewEpoch() == "" && cmd.GetLevel() > d.view.Level():
		return tooHigh(d.view, cmd.GetLevel())
	case len(cmd.GetRequestId()) > MaxRequestID:
		return reject(ErrInvalid, "the request id is longer than %d bytes", MaxRequestID)
	case cmd.GetNewEpoch() != "":
		d.begin(cmd)
	case d.view.epoch == "":
		return reject(ErrConflict, "the cluster is not bootstrapped yet")
	}
	if r := permit(d.view, cmd); r != nil {
		return r
	}
	return d.mutations(cmd.GetMutations())
}

// begin forgets everything: the command starts a new state machine, at its level.
func (d *draft) begin(cmd *peerpb.Command) {
	next := Empty()
	next.epoch, next.index = cmd.GetNewEpoch(), d.view.index
	d.view, d.reset, d.changes = next, true, Changes{All: true}
	d.put(bucketMeta, keyEpoch, []byte(next.epoch))
	if level := cmd.GetLevel(); level > 1 {
		next.level = level
		d.put(bucketMeta, keyLevel, encodeLevel(level))
	}
}

func (d *draft) mutations(ms []*configpb.Mutation) *Rejection {
	if len(ms) > MaxMutations {
		return reject(ErrInvalid, "%d mutations in one write, at most %d are possible: use import", len(ms), MaxMutations)
	}
	d.own()
	for i, m := range ms {
		if r := d.mutation(i+1, m); r != nil {
			return r.at(i + 1)
		}
	}
	return d.references()
}

// own copies what the mutations change in place.
func (d *draft) own() {
	d.view.dns, d.view.dids, d.view.groups, d.view.tokens = d.view.dns.Clone(), d.view.dids.Clone(), d.view.groups.Clone(), d.view.tokens.Clone()
}

func (d *draft) mutation(number int, m *configpb.Mutation) *Rejection {
	d.at = number
	m, r := d.view.whole(m)
	if r != nil {
		return r
	}
	if m.GetKeepHa1() && m.GetPutDn() == nil {
		return reject(ErrInvalid, "keep_ha1 goes with put_dn only")
	}
	switch op := m.GetOp().(type) {
	case *configpb.Mutation_PutDn:
		return d.putDN(number, m, op.PutDn)
	case *configpb.Mutation_DeleteDn:
		return d.deleteDN(m, op.DeleteDn)
	case *configpb.Mutation_PutGroup:
		return d.putGroup(m, op.PutGroup)
	case *configpb.Mutation_DeleteGroup:
		return d.deleteGroup(number, m, op.DeleteGroup)
	case *configpb.Mutation_PutNode:
		return d.putNode(m, op.PutNode)
	case *configpb.Mutation_DeleteNode:
		return d.deleteNode(m, op.DeleteNode)
	case *configpb.Mutation_PutOptions:
		return d.putOptions(m, op.PutOptions)
	case *configpb.Mutation_PutToken:
		return d.putToken(m, op.PutToken)
	case *configpb.Mutation_DeleteToken:
		return d.deleteToken(m, op.DeleteToken)
	case *configpb.Mutation_PutInvite:
		return d.putInvite(m, op.PutInvite)
	case *configpb.Mutation_DeleteInvite:
		return d.deleteInvite(m, op.DeleteInvite)
	case *configpb.Mutation_PutSecurity:
		return d.putSecurity(m, op.PutSecurity)
	case *configpb.Mutation_Restore:
		return d.restore(number, op.Restore)
	case *configpb.Mutation_Join:
		return d.join(m, op.Join)
	case *configpb.Mutation_PutLevel:
		return d.putLevel(m, op.PutLevel)
	}
	return reject(ErrInvalid, "the mutation is empty, or newer than this node")
}

// checkRevision is the compare of compare-and-set; exists is false for 0.
func checkRevision(m *configpb.Mutation, what string, present uint64) *Rejection {
	if m.IfRevision == nil || m.GetIfRevision() == present {
		return nil
	}
	if present == 0 {
		return reject(ErrRevision, "%s does not exist, revision %d was wanted", what, m.GetIfRevision())
	}
	return reject(ErrRevision, "%s has revision %d, %d was wanted: read it again", what, present, m.GetIfRevision())
}

func (d *draft) putDN(number int, m *configpb.Mutation, in *configpb.DN) *Rejection {
	if r := checkDN(in, m.GetKeepHa1(), d.view.Level()); r != nil {
		return r
	}
	old := d.view.DN(in.GetNumber())
	if r := checkRevision(m, "DN "+in.GetNumber(), old.GetRevision()); r != nil {
		return r
	}
	v := proto.CloneOf(in)
	if v.GetKind() == configpb.DNKind_DN_KIND_SIP && v.GetHa1() == "" {
		if old.GetHa1() == "" {
			return reject(ErrInvalid, "DN %s: there is no stored password to keep, give one", v.GetNumber())
		}
		v.Ha1, v.Algorithm = old.GetHa1(), old.GetAlgorithm()
	}
	if r := keepAuth(v.GetNumber(), v.GetTrunk(), old.GetTrunk()); r != nil {
		return r
	}
	v.Revision = d.view.index
	d.view.share(v)
	d.reach(number, old, v)
	d.view.dns.put(v)
	d.touched = append(d.touched, touchedDN{number, v})
	d.changes.DNs = append(d.changes.DNs, v.GetNumber())
	if old != nil && (v.GetDisabled() || v.GetKind() != old.GetKind()) {
		d.changes.withdraw(v.GetNumber(), Withdrawal{})
	}
	d.put(bucketDN, v.GetNumber(), encode(v))
	return nil
}

// share lets the group names of a DN be the strings of the groups: half of the
// memory of a DN would be copies of them.
func (v *View) share(d *configpb.DN) {
	for i, g := range d.GetGroups() {
		if have := v.Group(g); have != nil {
			d.Groups[i] = have.GetName()
		}
	}
}

func (d *draft) deleteDN(m *configpb.Mutation, number string) *Rejection {
	old := d.view.DN(number)
	if r := checkRevision(m, "DN "+number, old.GetRevision()); r != nil {
		return r
	}
	if old == nil {
		return reject(ErrNotFound, "DN %.70q does not exist", number)
	}
	d.view.unreach(old)
	d.view.dns.remove(number)
	d.changes.DNs = append(d.changes.DNs, number)
	d.changes.withdraw(number, Withdrawal{Deleted: true})
	d.put(bucketDN, number, nil)
	return nil
}

func (d *draft) putGroup(m *configpb.Mutation, in *configpb.AgentGroup) *Rejection {
	if !validName(in.GetName()) {
		return reject(ErrInvalid, "%s", badName("group", in.GetName()))
	}
	if r := checkRevision(m, "group "+in.GetName(), d.view.Group(in.GetName()).GetRevision()); r != nil {
		return r
	}
	if r := checkPolicy("group "+in.GetName(), in.GetPolicy(), false); r != nil {
		return r
	}
	v := proto.CloneOf(in)
	v.Revision = d.view.index
	d.view.groups.ReplaceOrInsert(entry[configpb.AgentGroup]{v.GetName(), v})
	d.changes.Groups = true
	d.put(bucketGroup, v.GetName(), encode(v))
	return nil
}

func (d *draft) deleteGroup(number int, m *configpb.Mutation, name string) *Rejection {
	old := d.view.Group(name)
	if r := checkRevision(m, "group "+name, old.GetRevision()); r != nil {
		return r
	}
	if old == nil {
		return reject(ErrNotFound, "group %.70q does not exist", name)
	}
	d.view.groups.Delete(entry[configpb.AgentGroup]{key: name})
	d.vanished = append(d.vanished, vanished{number, name})
	d.changes.Groups = true
	d.put(bucketGroup, name, nil)
	return nil
}

func (d *draft) putNode(m *configpb.Mutation, in *configpb.Node) *Rejection {
	if d.view.security != nil && d.view.Node(in.GetId()) == nil {
		return reject(ErrInvite, "node %.40s is not on the roster: it joins by an invite", in.GetName())
	}
	return d.setNode(m, in)
}

func (d *draft) setNode(m *configpb.Mutation, in *configpb.Node) *Rejection {
	if r := checkNode(in); r != nil {
		return r
	}
	old := d.view.Node(in.GetId())
	if r := checkRevision(m, "node "+in.GetName(), old.GetRevision()); r != nil {
		return r
	}
	if old == nil && KnownBy(in) < d.view.Level() {
		return reject(ErrVersion, "node %s knows feature level %d, the cluster has %d: upgrade it", in.GetName(), KnownBy(in), d.view.Level())
	}
	if other := d.view.NodeByName(in.GetName()); other != nil && other.GetId() != in.GetId() {
		return reject(ErrNameTaken, "another node is called %s: remove that one first, or choose another name", in.GetName())
	}
	v := proto.CloneOf(in)
	if len(v.GetKeySha256()) == 0 {
		v.KeySha256 = old.GetKeySha256()
	}
	if r := d.checkKeys(v); r != nil {
		return r
	}
	if v.GetClusterAddr() != old.GetClusterAddr() {
		if other := d.view.NodeAt(v); other != nil && old != nil && d.speaker == v.GetId() {
			d.giveWay(other, old.GetClusterAddr())
		}
		d.moved = append(d.moved, movedNode{d.at, v})
	}
	v.Revision = d.view.index
	d.setNodes(append(d.otherNodes(v.GetId()), v))
	d.put(bucketNode, v.GetId(), encode(v))
	return nil
}

// giveWay has a node of which the leader knows that it is elsewhere exchange its address
// with the one that is there now: which of the two is told first does not matter, and
// no two nodes ever have one address. Where it is itself, it says next.
func (d *draft) giveWay(other *configpb.Node, addr string) {
	n := proto.CloneOf(other)
	n.ClusterAddr, n.Revision = addr, d.view.index
	d.setNodes(append(d.otherNodes(n.GetId()), n))
	d.put(bucketNode, n.GetId(), encode(n))
}

func (d *draft) deleteNode(m *configpb.Mutation, id string) *Rejection {
	old := d.view.Node(id)
	if r := checkRevision(m, "node "+id, old.GetRevision()); r != nil {
		return r
	}
	if old == nil {
		return reject(ErrNotFound, "node %.70q does not exist", id)
	}
	if len(d.view.nodes) == 1 {
		return reject(ErrConflict, "node %s is the last one of the cluster and can't be removed", old.GetName())
	}
	d.setNodes(d.otherNodes(id))
	d.put(bucketNode, id, nil)
	return nil
}

// otherNodes returns a new slice of all nodes but that one.
func (d *draft) otherNodes(id string) []*configpb.Node {
	return slices.DeleteFunc(d.view.Nodes(), func(n *configpb.Node) bool { return n.GetId() == id })
}

func (d *draft) setNodes(nodes []*configpb.Node) {
	slices.SortFunc(nodes, func(a, b *configpb.Node) int { return strings.Compare(a.GetName(), b.GetName()) })
	d.view.nodes, d.changes.Nodes = nodes, true
}

func (d *draft) putOptions(m *configpb.Mutation, in *configpb.Options) *Rejection {
	old := d.view.stored
	if r := checkRevision(m, "the options object", old.GetRevision()); r != nil {
		return r
	}
	if r := checkOptions(in); r != nil {
		return r
	}
	v := proto.CloneOf(in)
	if v.GetRealm() == "" {
		v.Realm = old.GetRealm()
	}
	if old.GetRealm() != "" && v.GetRealm() != old.GetRealm() {
		return reject(ErrConflict, "the realm is %s and can't change: every stored password depends on it", old.GetRealm())
	}
	v.Revision = d.view.index
	d.view.setOptions(v)
	d.changes.Options = true
	d.put(bucketMeta, keyOptions, encode(v))
	return nil
}

func (v *View) setOptions(o *configpb.Options) {
	v.stored, v.options = o, o.WithDefaults()
}

// NodeAt returns another node of the roster that has the node's cluster address.
func (v *View) NodeAt(n *configpb.Node) *configpb.Node {
	for _, other := range v.nodes {
		if other.GetId() != n.GetId() && other.GetClusterAddr() == n.GetClusterAddr() {
			return other
		}
	}
	return nil
}

// references checks, after all mutations, that each group named by a DN
// exists, and that no two nodes got one address: so the order of mutations in one
// command does not matter, and two nodes may swap theirs.
func (d *draft) references() *Rejection {
	if all := d.dangling(); len(all) > 0 {
		return all[0]
	}
	return nil
}

func (d *draft) dangling() (all []*Rejection) {
	for _, t := range d.touched {
		if t.dn != d.view.DN(t.dn.GetNumber()) {
			continue // put again or deleted later in the same command
		}
		for g := range groupsOf(t.dn) {
			if d.view.Group(g) == nil {
				all = append(all, reject(ErrInvalid, "DN %s: group %q does not exist", t.dn.GetNumber(), g).at(t.mutation))
			}
		}
	}
	for _, m := range d.moved {
		if n, other := m.node, d.view.NodeAt(m.node); other != nil {
			all = append(all, reject(ErrConflict, "node %s: %s is the cluster address of node %s: remove that one first, or choose another address",
				n.GetName(), n.GetClusterAddr(), other.GetName()).at(m.mutation))
		}
	}
	all = append(all, d.twice()...)
	for _, gone := range d.vanished {
		if user := d.view.userOf(gone.group); user != "" && d.view.Group(gone.group) == nil {
			all = append(all, reject(ErrConflict, "group %q is in use, by DN %s for one", gone.group, user).at(gone.mutation))
		}
	}
	return all
}

func groupsOf(d *configpb.DN) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, g := range d.GetGroups() {
			if !yield(g) {
				return
			}
		}
		if g := d.GetRoutingPoint().GetDefaultGroup(); g != "" {
			yield(g)
		}
	}
}

// userOf returns the first DN that names the group, "" when none does.
func (v *View) userOf(group string) string {
	for d := range v.Members(group, "") {
		return d.GetNumber()
	}
	return ""
}

func (d *draft) remember(o *outcome) {
	next, gone := d.view.memory.with(o)
	d.view.memory = next
	d.put(bucketRequest, seqKey(o.seq), o.encode())
	if gone != nil {
		d.put(bucketRequest, seqKey(gone.seq), nil)
	}
}

func (d *draft) put(bucket, key string, value []byte) {
	d.writes = append(d.writes, write{bucket, key, value})
}

// encode gives the same bytes on every node: objects have no maps, and no
// field that this program does not know (see decodeCommand).
func encode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic("fsm: an object that was decoded can't be encoded: " + err.Error())
	}
	return b
}
