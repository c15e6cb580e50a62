package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/sip/source"
)

const (
	// sieveShare is of how many datagrams of a sifted source one passes.
	sieveShare = 16
	// leastSifted datagrams a second are more than a node serves.
	leastSifted = 50_000
	// A sifted source sends largePart of all at least, so one that many call by is not sifted for
	// the flood of another one.
	largePart = 4
	// sieveFor is how long a source is sifted, and after that time it is looked at again.
	sieveFor = time.Second
	// mostSifted is how many sources are sifted at once: each costs all datagrams a look.
	mostSifted = 8
)

// sieve has the kernel drop most of what a source sends that sends more than can be served:
// to read that, even if it is thrown away then, leaves others a queue that is full most of the
// time. It belongs to the reader.
type sieve struct {
	from   []netip.Addr // the sources; none when there is no sieve
	since  time.Time    // of the counts
	passed [mostSifted]int
	came   int  // of other sources
	seen   tops // what was read of these
	lifted bool // since the last batch
	cannot bool // the socket has no sieves
}

// look looks at a batch while more comes than is served, after shed has; the kernel had no
// room for lost datagrams before it. It returns the sources that are sifted from now on.
func (s *sieve) look(to packetIO, b *shed, sources []netip.AddrPort, lost uint32, overloaded bool) []netip.Addr {
	if s.cannot || !overloaded && len(s.from) == 0 {
		s.since = time.Time{}
		return nil
	}
	now := time.Now()
	if s.since.IsZero() {
		s.begin(now)
	}
	s.came += int(lost)
	for _, a := range sources {
		from := source.Of(a.Addr())
		if i := slices.Index(s.from, from); i >= 0 {
			s.passed[i]++
		} else {
			s.came++
			s.seen.add(from)
		}
	}
	period := overloadedAfter
	if len(s.from) > 0 {
		period = sieveFor
	}
	took := now.Sub(s.since)
	more := floods(s.came, took) && b.others(now)
	if took < period || more && s.seen.all < batch/2 {
		return nil // who sends most is not seen yet
	}
	list := s.still(took)
	was := len(list)
	if more {
		list = append(list, s.seen.most(mostSifted-was)...)
	}
	s.set(to, list)
	s.begin(now)
	return s.from[min(was, len(s.from)):]
}

func (s *sieve) begin(now time.Time) {
	s.since, s.came, s.passed, s.seen = now, 0, [mostSifted]int{}, tops{}
}

// floods tells whether so many datagrams in some time are more than can be served.
func floods(n int, took time.Duration) bool {
	return time.Duration(n)*time.Second >= leastSifted*took
}

// still are the sources that go on to send a large part of what is too much.
func (s *sieve) still(took time.Duration) (list []netip.Addr) {
	all := s.came
	for _, n := range s.passed {
		all += n * sieveShare
	}
	for i, a := range s.from {
		if n := s.passed[i] * sieveShare; floods(all, took) && floods(n*largePart, took) {
			list = append(list, a)
		}
	}
	return list
}

// tops counts of which sources most come, over a time: in one batch a burst of any may be a large
// part. There is room for some; where another one comes each of them loses one (Misra, Gries),
// so nobody counts for more than was sent.
type tops struct {
	all   int // that were counted
	from  [2 * mostSifted]netip.Addr
	count [2 * mostSifted]int
}

func (t *tops) add(from netip.Addr) {
	t.all++
	if i := slices.Index(t.from[:], from); i >= 0 {
		t.count[i]++
		return
	}
	if i := slices.Index(t.count[:], 0); i >= 0 {
		t.from[i], t.count[i] = from, 1
		return
	}
	for i := range t.count {
		t.count[i]--
	}
}

// most are up to room sources of a large part of it.
func (t *tops) most(room int) (list []netip.Addr) {
	for i, n := range t.count {
		if n > 0 && n*largePart >= t.all && len(list) < room {
			list = append(list, t.from[i])
		}
	}
	return list
}

// set has those sources sifted, and no others.
func (s *sieve) set(to packetIO, list []netip.Addr) {
	if slices.Equal(list, s.from) {
		return
	}
	s.lifted = len(s.from) > 0
	if s.from = list; to.sift(list) != nil {
		_ = to.sift(nil)
		s.from, s.lifted, s.cannot = nil, true, true
	}
}

// dropped tells whether the kernel may have dropped for the sieve what it dropped before the
// batch that is read now. It can't be told from what there was no room for.
func (s *sieve) dropped() bool {
	was := len(s.from) > 0 || s.lifted
	s.lifted = false
	return was
}

// sift has the kernel drop all but one of sieveShare datagrams of the sources, and nothing for
// none of them.
func (s *socket) sift(from []netip.Addr) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Load() {
		return nil
	}
	if len(from) == 0 {
		err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}
	program, err := sieveProgram(from)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return fmt.Errorf("sip: UDP: a filter of sources: %w", err)
	}
	return nil
}

// ipHeader is the offset of the IP header to a filter (SKF_NET_OFF of linux/filter.h).
const ipHeader = 0xfff00000

// sieveProgram is that filter: a block for each source, left for the next one when the source
// of the datagram is another.
func sieveProgram(from []netip.Addr) (unix.SockFprog, error) {
	const passes = 1 << 18 // more than any datagram has
	var code []bpf.Instruction
	for _, a := range from {
		version, at, words := uint32(4), uint32(12), a.AsSlice()
		if a.Is6() {
			version, at, words = 6, 8, words[:8] // source.Of is the first half
		}
		leave := func(done int) uint8 { return uint8(3 + len(words)/2 + 5 - done) } // behind so many instructions of the block
		code = append(code, bpf.LoadAbsolute{Off: ipHeader, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: version, SkipTrue: leave(3)})
		for i := 0; i < len(words); i += 4 {
			code = append(code, bpf.LoadAbsolute{Off: ipHeader + at + uint32(i), Size: 4},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(words[i:]), SkipTrue: leave(3 + i/2 + 2)})
		}
		code = append(code, bpf.LoadExtension{Num: bpf.ExtRand}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: sieveShare - 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: passes})
	}
	raw, err := bpf.Assemble(append(code, bpf.RetConstant{Val: passes}))
	if err != nil {
		return unix.SockFprog{}, fmt.Errorf("sip: UDP: a filter of sources: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}, nil
}
