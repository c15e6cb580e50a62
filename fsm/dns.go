package fsm

import (
	"cmp"
	"iter"
	"strings"
	"sync"

	"github.com/google/btree"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// dns are the DNs of a View, by number and by what else they are looked up by: so
// nobody walks all of them for those of a group, or for the trunks.
type dns struct {
	*tree[configpb.DN]
	trunks *tree[configpb.DN]
	// members are the DNs that name a group, by that and then by number.
	members *btree.BTreeG[member]
	mu      sync.Mutex // as tree.mu, of members
	// standing counts those in service that nobody registers.
	standing int
	// file has the DNs while nothing of the above does; nil when all is read.
	file *file
}

// member is a DN as one that names a group: its Groups[at], or for ofPoint the default
// group of a routing point.
type member struct {
	dn *configpb.DN
	at int32
}

const ofPoint = -1

func (m member) group() string {
	if m.at == ofPoint {
		return m.dn.GetRoutingPoint().GetDefaultGroup()
	}
	return m.dn.GetGroups()[m.at]
}

// before orders members; a DN that names a group twice counts once.
func (m member) before(o member) bool {
	return cmp.Or(strings.Compare(m.group(), o.group()), strings.Compare(m.dn.GetNumber(), o.dn.GetNumber())) < 0
}

func newDNs() *dns {
	return &dns{tree: newTree[configpb.DN](), trunks: newTree[configpb.DN](), members: btree.NewG(degree, member.before)}
}

// Clone returns DNs that can be written to.
func (d *dns) Clone() *dns {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &dns{tree: d.tree.Clone(), trunks: d.trunks.Clone(), members: d.members.Clone(), standing: d.standing}
}

func (d *dns) put(x *configpb.DN) {
	e := entry[configpb.DN]{x.GetNumber(), x}
	if old, found := d.ReplaceOrInsert(e); found {
		d.forget(old.val)
	}
	for m := range membersOf(x) {
		d.members.ReplaceOrInsert(m)
	}
	if x.GetKind() == configpb.DNKind_DN_KIND_TRUNK {
		d.trunks.ReplaceOrInsert(e)
	}
	if stands(x) {
		d.standing++
	}
}

func (d *dns) remove(number string) {
	if old, found := d.Delete(entry[configpb.DN]{key: number}); found {
		d.forget(old.val)
	}
}

// forget takes back what put noted of a DN beside its number.
func (d *dns) forget(x *configpb.DN) {
	for m := range membersOf(x) {
		d.members.Delete(m)
	}
	if x.GetKind() == configpb.DNKind_DN_KIND_TRUNK {
		d.trunks.Delete(entry[configpb.DN]{key: x.GetNumber()})
	}
	if stands(x) {
		d.standing--
	}
}

func membersOf(x *configpb.DN) iter.Seq[member] {
	return func(yield func(member) bool) {
		for i := range x.GetGroups() {
			if !yield(member{x, int32(i)}) {
				return
			}
		}
		if x.GetRoutingPoint().GetDefaultGroup() != "" {
			yield(member{x, ofPoint})
		}
	}
}

// Registers tells whether the DN, nil for one that is not configured, is in service when
// somebody registered it. The others are while they are enabled.
func Registers(x *configpb.DN) bool {
	switch x.GetKind() {
	case configpb.DNKind_DN_KIND_ROUTING_POINT, configpb.DNKind_DN_KIND_TRUNK, configpb.DNKind_DN_KIND_FEATURE:
		return false
	}
	return true
}

func stands(x *configpb.DN) bool { return !Registers(x) && !x.GetDisabled() }

// Standing is how many DNs are in service that nobody registers.
func (v *View) Standing() int { return v.dns.standing }

// Trunks yields the DNs that are trunks in order of number.
func (v *View) Trunks() iter.Seq[*configpb.DN] { return behind(v.dns.trunks, "") }

// Members yields the DNs that are in a group, or whose default group it is, behind the
// number after in order of number; "" yields all.
func (v *View) Members(group, after string) iter.Seq[*configpb.DN] {
	return func(yield func(*configpb.DN) bool) {
		from := member{dn: &configpb.DN{Number: after, Groups: []string{group}}}
		v.dns.members.AscendGreaterOrEqual(from, func(m member) bool {
			return m.group() == group && (m.dn.GetNumber() == after || yield(m.dn))
		})
	}
}
