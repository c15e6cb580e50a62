package fsm

import (
	"iter"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/google/btree"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// View is the whole configuration after one log entry. It never changes, so it
// needs no lock; what it returns is shared and must not be written to.
type View struct {
	epoch   string
	index   uint64
	level   uint32 // 0 is 1
	dns     *dns
	dids    *tree[configpb.DN] // by didKey
	groups  *tree[configpb.AgentGroup]
	nodes   []*configpb.Node // ordered by name
	stored  *configpb.Options
	options *configpb.Options // stored, with the defaults filled in
	memory  memory
	tokens  *tree[configpb.Token]
	audit   audit

	security *configpb.Security
	invites  []*configpb.Invite // ordered by id
}

// entry is an object under its key. A B-tree of them costs some 35 bytes an
// object; an immutable radix tree costs ten times that.
type entry[T any] struct {
	key string
	val *T
}

// degree of the B-trees: an update copies some 3 nodes of 64 entries.
const degree = 32

// tree is a B-tree that nobody writes to once its View is published.
type tree[T any] struct {
	*btree.BTreeG[entry[T]]
	mu      sync.Mutex // cloning marks the original; readers don't look at the mark
	finders *sync.Pool // of *finder[T]
}

func newTree[T any]() *tree[T] {
	return &tree[T]{
		BTreeG:  btree.NewG(degree, func(a, b entry[T]) bool { return a.key < b.key }),
		finders: &sync.Pool{New: func() any { return newFinder[T]() }},
	}
}

// finder finds one object without allocating.
type finder[T any] struct {
	found *T
	visit func(entry[T]) bool
}

func newFinder[T any]() *finder[T] {
	f := &finder[T]{}
	f.visit = func(e entry[T]) bool { f.found = e.val; return false }
	return f
}

// nearest is the object of a key or else the next one, behind the last the first.
func (t *tree[T]) nearest(key string) *T {
	f := t.finders.Get().(*finder[T])
	defer t.finders.Put(f)
	f.found = nil
	t.AscendGreaterOrEqual(entry[T]{key: key}, f.visit)
	if f.found == nil {
		t.Ascend(f.visit)
	}
	return f.found
}

// Clone returns a tree that can be written to; what both share is copied then.
func (t *tree[T]) Clone() *tree[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &tree[T]{BTreeG: t.BTreeG.Clone(), finders: t.finders}
}

// Empty returns the View of a machine that was never written.
func Empty() *View {
	return &View{
		dns: newDNs(), dids: newTree[configpb.DN](), groups: newTree[configpb.AgentGroup](),
		stored: &configpb.Options{}, options: new(configpb.Options).WithDefaults(), memory: newMemory(),
		tokens: newTree[configpb.Token](), audit: newAudit(),
	}
}

// Index is the Raft index of the last command that the View includes.
func (v *View) Index() uint64 { return v.index }

// NumDNs is the number of DNs.
func (v *View) NumDNs() int { return v.dns.Len() }

// Unsure tells whether DNs may be there that the View does not find: it is one of before
// Load, of a store that can't be read.
func (v *View) Unsure() bool { return v.dns.file != nil && v.dns.file.unsure.Load() }

// DN returns the DN of that number, nil when there is none.
func (v *View) DN(number string) *configpb.DN {
	if v.dns.file != nil {
		return v.dns.file.find(number)
	}
	e, _ := v.dns.Get(entry[configpb.DN]{key: number})
	return e.val
}

// DNBytes is DN for a number in a buffer; it neither keeps nor copies it.
func (v *View) DNBytes(number []byte) *configpb.DN {
	return v.DN(unsafe.String(unsafe.SliceData(number), len(number)))
}

// NearestDN returns the DN of that number or, where there is none, the next in
// order, after the last the first; nil when there are no DNs. It takes as long for
// a number that there is as for one that there isn't, and neither keeps nor copies it.
func (v *View) NearestDN(number []byte) *configpb.DN {
	n := unsafe.String(unsafe.SliceData(number), len(number))
	if v.dns.file != nil {
		return v.dns.file.nearest(n)
	}
	return v.dns.nearest(n)
}

// DNs yields the DNs behind the number after in order of number; "" yields all.
func (v *View) DNs(after string) iter.Seq[*configpb.DN] {
	if v.dns.file != nil {
		return v.dns.file.behind(after)
	}
	return behind(v.dns.tree, after)
}

// Group returns the agent group of that name, nil when there is none.
func (v *View) Group(name string) *configpb.AgentGroup {
	e, _ := v.groups.Get(entry[configpb.AgentGroup]{key: name})
	return e.val
}

// LoginRequired tells whether a group of the DN wants an agent logged in.
func (v *View) LoginRequired(d *configpb.DN) bool {
	for _, name := range d.GetGroups() {
		if v.Group(name).GetLoginRequired() {
			return true
		}
	}
	return false
}

// Rules are what holds for calls to a DN, nil for any, that the routing point sends,
// nil for none: of the point's policy, of the DN's groups' in their order, and of the
// options' the first that says it.
func (v *View) Rules(d, point *configpb.DN) configpb.Rules {
	from := append(make([]*configpb.Policy, 0, 4), point.GetRoutingPoint().GetPolicy())
	for _, name := range d.GetGroups() {
		from = append(from, v.Group(name).GetPolicy())
	}
	return configpb.RulesOf(d.GetKind(), append(from, v.options.GetPolicy())...)
}

// Groups yields the agent groups in order of name.
func (v *View) Groups() iter.Seq[*configpb.AgentGroup] { return behind(v.groups, "") }

// Node returns the roster's entry of that id, nil when there is none.
func (v *View) Node(id string) *configpb.Node {
	for _, n := range v.nodes {
		if n.GetId() == id {
			return n
		}
	}
	return nil
}

// NodeByName returns the roster's entry of that name, nil when there is none.
func (v *View) NodeByName(name string) *configpb.Node {
	i, ok := slices.BinarySearchFunc(v.nodes, name, func(n *configpb.Node, name string) int {
		return strings.Compare(n.GetName(), name)
	})
	if !ok {
		return nil
	}
	return v.nodes[i]
}

// Nodes returns the roster, ordered by name.
func (v *View) Nodes() []*configpb.Node { return slices.Clone(v.nodes) }

// Options returns the cluster's options with the defaults filled in.
func (v *View) Options() *configpb.Options { return v.options }

func behind[T any](t *tree[T], after string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		t.AscendGreaterOrEqual(entry[T]{key: after}, func(e entry[T]) bool {
			return e.key == after || yield(e.val)
		})
	}
}
