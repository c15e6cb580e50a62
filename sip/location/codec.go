package location

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// What the journal and the base hold are payloads: a kind, which is also the
// version of its layout, then fields. The payload of an entry is its form in
// memory too: one string of about 110 bytes, and a decoded Entry's strings are
// parts of it. The number comes right behind the kind in entries and tombstones.
const (
	kindEntry = 1
	kindGone  = 2
	kindMeta  = 3
	// kindWay is an entry with the way of its record.
	kindWay = 4
)

// unresponsive and mapped are the bits of a binding's transport that say so of its phone.
const unresponsive, mapped = 1 << 7, 1 << 6

var errPayload = errors.New("malformed payload")

// maxText bounds a text in bytes; no SIP message that we take is longer.
const maxText = 1 << 16

func appendText(b []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
	}
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func encodeGone(n dn.Number) string {
	b := make([]byte, 0, 2+len(n))
	return string(appendText(append(b, kindGone), string(n)))
}

// blobNumber is the number of an entry or tombstone of our own, as a part of it.
func blobNumber(blob string) dn.Number { return dn.Number(blob[2 : 2+blob[1]]) }

func encodeEntry(e *Entry, c clock) string {
	var buf [512]byte
	r := &e.Record
	kind := byte(kindEntry)
	if r.Way.Line != 0 {
		kind = kindWay
	}
	b := append(buf[:0], kind)
	b = appendText(b, string(r.Number))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.ClaimTime))
	b = binary.AppendVarint(b, r.ClaimTime-r.Since)
	b = binary.AppendUvarint(b, uint64(r.Seq))
	b = append(b, byte(r.State), byte(r.Reason))
	if kind == kindWay {
		b = binary.LittleEndian.AppendUint32(b, r.Way.Line)
		b = binary.LittleEndian.AppendUint16(b, r.Way.Flow)
		b = binary.AppendVarint(b, r.ClaimTime-r.Floor)
	}
	b = binary.AppendUvarint(b, c.number)
	b = binary.AppendUvarint(b, uint64(len(e.Bindings)))
	for i := range e.Bindings {
		b = appendBinding(b, &e.Bindings[i], c)
	}
	return string(b)
}

func appendBinding(b []byte, x *Binding, c clock) []byte {
	b = binary.AppendVarint(b, int64(c.toBoot(x.Expires)))
	b = binary.AppendUvarint(b, uint64(x.CSeq))
	transport := byte(x.Transport)
	if x.Unresponsive {
		transport |= unresponsive
	}
	if x.Mapped {
		transport |= mapped
	}
	b = append(b, transport)
	b = appendSource(b, x.Source)
	b = appendText(b, x.Contact)
	b = appendText(b, x.Params)
	b = appendText(b, x.CallID)
	b = appendText(b, x.UserAgent)
	b = binary.AppendUvarint(b, uint64(len(x.Path)))
	for _, p := range x.Path {
		b = appendText(b, p)
	}
	return b
}

// appendSource writes the address's length, its bytes and the port.
func appendSource(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr()
	switch {
	case !ip.IsValid():
		b = append(b, 0)
	case ip.Is4():
		x := ip.As4()
		b = append(append(b, 4), x[:]...)
	default:
		x := ip.As16()
		b = append(append(b, 16), x[:]...)
		b = appendText(b, ip.Zone())
	}
	return binary.LittleEndian.AppendUint16(b, a.Port())
}

// reader takes a payload apart. After a fault it yields zeros and bad is set.
type reader struct {
	s   string
	bad bool
}

func (r *reader) take(n uint64) string {
	if r.bad || n > uint64(len(r.s)) {
		r.bad = true
		return ""
	}
	x := r.s[:n]
	r.s = r.s[n:]
	return x
}

func (r *reader) byte() byte {
	if x := r.take(1); x != "" {
		return x[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	var x uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen64; i++ {
		c := r.s[i]
		x |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return x
		}
	}
	r.bad = true
	return 0
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) fixed(n uint64) uint64 {
	var x uint64
	for i, c := range []byte(r.take(n)) {
		x |= uint64(c) << (8 * i)
	}
	return x
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > maxText {
		r.bad = true
		return ""
	}
	return r.take(n)
}

func (r *reader) uint32() uint32 {
	x := r.uvarint()
	r.bad = r.bad || x > math.MaxUint32
	return uint32(x)
}

// number reads what blobNumber will find again: its length in one byte.
func (r *reader) number() dn.Number {
	n := r.take(uint64(r.byte()))
	r.bad = r.bad || !dn.ValidNumber(n)
	return dn.Number(n)
}

func (r *reader) source() netip.AddrPort {
	var ip netip.Addr
	switch n := r.byte(); n {
	case 0:
	case 4:
		var x [4]byte
		copy(x[:], r.take(4))
		ip = netip.AddrFrom4(x)
	case 16:
		var x [16]byte
		copy(x[:], r.take(16))
		ip = netip.AddrFrom16(x).WithZone(r.text())
	default:
		r.bad = true
	}
	return netip.AddrPortFrom(ip, uint16(r.fixed(2)))
}

func (r *reader) end() error {
	if r.bad || r.s != "" {
		return errPayload
	}
	return nil
}

// single is an Entry with room for the usual one binding: one allocation.
type single struct {
	Entry
	one [1]Binding
}

// decodeEntry reads the payload of an entry; its strings are parts of it. moved
// says that it was written in another boot.
func decodeEntry(blob string, c clock) (e *Entry, moved bool, err error) {
	x := &single{}
	moved, err = x.decode(blob, c)
	if err != nil {
		return nil, false, err
	}
	return &x.Entry, moved, nil
}

// decode is decodeEntry into x, whatever was in it before.
func (x *single) decode(blob string, c clock) (moved bool, err error) {
	r := reader{s: blob}
	kind := r.byte()
	if kind != kindEntry && kind != kindWay {
		return false, errPayload
	}
	e := &x.Entry
	*e = Entry{}
	rec := &e.Record
	rec.Number = r.number()
	rec.ClaimTime = int64(r.fixed(8))
	rec.Since = rec.ClaimTime - r.varint()
	rec.Seq = r.uint32()
	rec.State, rec.Reason = dn.State(r.byte()), dn.Reason(r.byte())
	if kind == kindWay {
		rec.Way = dn.Way{Line: uint32(r.fixed(4)), Flow: uint16(r.fixed(2))}
		rec.Floor = rec.ClaimTime - r.varint()
	}
	bootNo, n := r.uvarint(), r.uvarint()
	if r.bad || n > uint64(len(r.s)) || rec.State > dn.InSrv {
		return false, errPayload
	}
	if n == 1 {
		x.one[0] = Binding{}
		e.Bindings = x.one[:]
	} else if n > 1 {
		e.Bindings = make([]Binding, 0, min(n, 16))
	}
	for i := range int(n) {
		if n > 1 {
			e.Bindings = append(e.Bindings, Binding{})
		}
		if r.binding(&e.Bindings[i], bootNo, c); r.bad {
			break
		}
	}
	return bootNo != c.number, r.end()
}

func (r *reader) binding(x *Binding, bootNo uint64, c clock) {
	x.Expires = c.fromBoot(c.translate(bootNo, time.Duration(r.varint())))
	x.CSeq = r.uint32()
	transport := r.byte()
	x.Transport, x.Unresponsive, x.Mapped = Transport(transport&^(unresponsive|mapped)), transport&unresponsive != 0, transport&mapped != 0
	x.Source = r.source()
	x.Contact = r.text()
	x.Params = r.text()
	x.CallID = r.text()
	x.UserAgent = r.text()
	n := r.uvarint()
	if n > uint64(len(r.s)) || x.Transport >= transports {
		r.bad = true
		return
	}
	for range n {
		if x.Path = append(x.Path, r.text()); r.bad {
			return
		}
	}
}

// word is what the store says about itself in a journal and in the base.
type word struct {
	meta   Meta
	number uint64
	boot   bootInfo
}

func (w word) encode() string {
	b := binary.LittleEndian.AppendUint64([]byte{kindMeta}, w.meta.Incarnation)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.meta.Floor))
	b = binary.AppendUvarint(b, w.number)
	b = binary.AppendVarint(b, int64(w.boot.ahead))
	return string(appendText(b, w.boot.id))
}

func decodeWord(blob string) (word, error) {
	r := reader{s: blob}
	var w word
	r.bad = r.byte() != kindMeta
	w.meta.Incarnation = r.fixed(8)
	w.meta.Floor = int64(r.fixed(8))
	w.number = r.uvarint()
	w.boot.ahead = time.Duration(r.varint())
	w.boot.id = r.text()
	return w, r.end()
}
