package history

import (
	"encoding/binary"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// names are the ids of nodes, each written as a number. Guarded by Store.mu for who writes;
// all only grows, so that a copy of it reads what was written before.
type names struct {
	of  map[dn.Node]uint64
	all []dn.Node
}

// number is that of a node; 0 of none.
func (n *names) number(of dn.Node) uint64 {
	if of == "" {
		return 0
	}
	i, known := n.of[of]
	if !known {
		n.all = append(n.all, of)
		i = uint64(len(n.all))
		n.of[of] = i
	}
	return i
}

// An event is written as its head, then what its Kind has. All of it is written and read in
// this file alone, within one process.
func (n *names) head(b []byte, k Kind, at int64, by dn.Node, d dn.Number) []byte {
	b = append(b, byte(k))
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.AppendUvarint(b, n.number(by))
	return text(b, string(d))
}

// Flags of a change.
const (
	inService = 1 << iota
	isBusy
	isReserved
	isUndisturbed
	isCooling
	hasAgent
)

func (n *names) change(b []byte, c *dn.Past) []byte {
	flags := byte(0)
	for _, f := range [...]struct {
		set bool
		bit byte
	}{{c.State == dn.InSrv, inService}, {c.Busy, isBusy}, {c.Reserved, isReserved}, {c.DoNotDisturb, isUndisturbed}, {c.CoolingDown, isCooling}, {c.Agent != nil, hasAgent}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = append(b, flags, byte(c.What), byte(c.Reason))
	b = binary.AppendUvarint(b, n.number(c.Owner))
	b = binary.LittleEndian.AppendUint64(b, uint64(c.Since))
	if a := c.Agent; a != nil {
		b = append(b, byte(a.State), byte(a.Mode), byte(len(a.Reasons)))
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Since))
		b = text(b, a.ID)
		for _, r := range a.Reasons {
			b = text(text(b, r.Key), r.Value)
		}
	}
	return b
}

// Flags of an event of a call.
const (
	isCalled = 1 << iota
	hasInfo
)

func (n *names) call(b []byte, e *call.Event) []byte {
	flags := byte(0)
	if e.Role == call.Called {
		flags |= isCalled
	}
	if e.Info != nil {
		flags |= hasInfo
	}
	b = append(b, flags, byte(e.Kind))
	b = binary.AppendUvarint(b, n.number(e.Node))
	b = binary.AppendVarint(b, int64(e.Cause))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Time))
	b = text(text(text(b, string(e.Call)), e.OtherDN), e.Why)
	if e.Info != nil {
		b = append(b, byte(e.Type))
		b = text(text(text(b, string(e.Caller)), e.ANI), e.DNIS)
	}
	return b
}

func (n *names) link(b []byte, peer dn.Node, heard bool, why string) []byte {
	flag := byte(0)
	if heard {
		flag = 1
	}
	b = append(b, flag)
	b = binary.AppendUvarint(b, n.number(peer))
	return text(b, why)
}

func text(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reader reads what names wrote, which is never wrong.
type reader struct {
	b     []byte
	names []dn.Node
}

func (r *reader) byte() byte {
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *reader) time() int64 {
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return int64(v)
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) node() dn.Node {
	if i := r.uvarint(); i > 0 {
		return r.names[i-1]
	}
	return ""
}

// body reads what is behind the head.
func (r *reader) body(e *Event) {
	switch e.Kind {
	case Call:
		r.call(e)
	case Link:
		e.Heard, e.Peer, e.Why = r.byte() == 1, r.node(), r.text()
	default:
		r.change(e)
	}
}

func (r *reader) change(e *Event) {
	flags, c := r.byte(), &e.Change
	*c = dn.Past{
		At: e.At, By: e.By, What: dn.What(r.byte()), Reason: dn.Reason(r.byte()), Owner: r.node(), Since: r.time(),
		Busy: flags&isBusy != 0, Reserved: flags&isReserved != 0, DoNotDisturb: flags&isUndisturbed != 0, CoolingDown: flags&isCooling != 0,
	}
	if flags&inService != 0 {
		c.State = dn.InSrv
	}
	if flags&hasAgent == 0 {
		return
	}
	a := &dn.Agent{State: dn.AgentState(r.byte()), Mode: dn.WorkMode(r.byte())}
	reasons := int(r.byte())
	a.Since, a.ID = r.time(), r.text()
	for range reasons {
		a.Reasons = append(a.Reasons, dn.KeyValue{Key: r.text(), Value: r.text()})
	}
	c.Agent = a
}

func (r *reader) call(e *Event) {
	flags, c := r.byte(), &e.Call
	*c = call.Event{Kind: call.Kind(r.byte()), Node: r.node(), Cause: int(r.varint()), Time: r.time(), Call: call.ID(r.text()), OtherDN: r.text(), Why: r.text(), ThisDN: e.DN}
	if flags&isCalled != 0 {
		c.Role = call.Called
	}
	if flags&hasInfo != 0 {
		c.Info = &call.Info{Type: call.Type(r.byte()), Caller: dn.Number(r.text()), ANI: r.text(), DNIS: r.text()}
	}
}
