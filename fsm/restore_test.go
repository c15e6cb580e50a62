package fsm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// full has every object that the samples have, requests with outcomes, and a hole
// where something was deleted.
func full(t testing.TB) machine {
	t.Helper()
	m := furnished(t)
	for _, id := range slices.Sorted(maps.Keys(asked())) {
		result(t, m, asked()[id])
	}
	for _, kind := range slices.Sorted(maps.Keys(objects())) {
		apply(t, m, command(put(objects()[kind])))
	}
	apply(t, m, command(deleteDN("4000"), put(&configpb.AgentGroup{Name: "sales", LoginRequired: true})))
	apply(t, m, command(put(objects()["trunk"])))
	return m
}

func TestRestore_EveryKindOfObjectIsThere(t *testing.T) {
	m := full(t)
	want := m.Digest()
	for how, m := range copies(t, m) {
		v := m.View()
		if m.Digest() != want {
			t.Errorf("%s: another digest", how)
		}
		if v.DN("4000").GetTrunk() == nil || !v.Group("sales").GetLoginRequired() || v.Group("g") == nil || v.Node("id-z") == nil || v.NodeByName("z") == nil ||
			v.Options().GetRealm() != "example.com" || v.Epoch() != "e" || v.DN("1001") == nil || v.DN("3000") == nil || v.Group("stale") != nil || v.Node("id-o") != nil {
			t.Errorf("%s: something is not there", how)
		}
	}
}

// Whatever a snapshot lacks or has too much, it is refused, nothing changes, and
// the machine goes on.
func TestRestore_ADamagedSnapshotIsRefusedAsAWhole(t *testing.T) {
	from, m := full(t), another(t)
	good, want := snapshotOf(t, from), m.Digest()
	refused := func(what string, at int, bad []byte) {
		t.Helper()
		if err := restore(t, m, bad); !errors.Is(err, fsm.ErrSnapshot) {
			t.Errorf("%s at %d: %v", what, at, err)
		}
		if m.Digest() != want {
			t.Fatalf("%s at %d changed the state", what, at)
		}
	}
	for i := range good {
		if i%7 == 0 || i < 40 || i > len(good)-20 {
			flipped := slices.Clone(good)
			flipped[i] ^= 0x10
			refused("cut", i, good[:i])
			refused("flipped", i, flipped)
		}
	}
	if err := restore(t, m, good); err != nil || m.Digest() != from.Digest() {
		t.Fatalf("the good one: %v", err)
	}
}

// record is one of a snapshot's.
func record(kind byte, content string) []byte {
	return append(binary.AppendUvarint([]byte{kind}, uint64(len(content))), content...)
}

// sealed is a snapshot of these records with the right sum behind.
func sealed(records ...[]byte) []byte {
	b := slices.Concat(append([][]byte{[]byte("SIPC\x01")}, records...)...)
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return append(b, record('E', string(binary.BigEndian.AppendUint32(nil, sum)))...)
}

// later is an object of a newer program, of that size.
func later(size int) string {
	return "\xc2\x3e" + string(binary.AppendUvarint(nil, uint64(size-5))) + strings.Repeat("x", size-5)
}

func TestRestore_ContentThatIsNone(t *testing.T) {
	header := record('H', "\x00\x00\x00\x00\x00\x00\x00\x09epoch")
	outcome := "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"
	m := another(t)
	want := m.Digest()
	for name, bad := range map[string][]byte{
		"empty": nil, "another format": append([]byte("SIPC\x02"), sealed(header)[5:]...), "no header": sealed(record('D', "")), "a short header": sealed(record('H', "1234567")),
		"an unknown kind": sealed(header, record('Z', "")), "a DN that is none": sealed(header, record('D', "\xff")), "a group that is none": sealed(header, record('G', "\xff")),
		"a node that is none": sealed(header, record('N', "\xff")), "options that are none": sealed(header, record('O', "\xff")),
		"a security object that is none": sealed(header, record('S', "\xff")), "an invite that is none": sealed(header, record('I', "\xff")),
		"a short outcome": sealed(header, record('R', outcome)), "an outcome of unknown kind": sealed(header, record('R', outcome+"\x7f\x00\x01x")),
		"an outcome without mutation": sealed(header, record('R', outcome+"\x00")), "an outcome with a long id": sealed(header, record('R', outcome+"\x00\x00\x02x")),
		"an outcome without id": sealed(header, record('R', outcome+"\x00\x00")), "an outcome of a great mutation": sealed(header, record('R', outcome+"\x01\x81\x80\x40\x01x")),
		"an outcome behind the last": sealed(header, record('R', strings.Repeat("\xff", 8)+outcome[8:]+"\x00\x00\x01x")),
		"a record over 1 MiB":        sealed(header, record('D', later(1<<20+1))),
	} {
		if err := restore(t, m, bad); !errors.Is(err, fsm.ErrSnapshot) || m.Digest() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := restore(t, m, sealed(header, record('D', later(1<<20)), record('R', outcome+"\x01\x80\x80\x40\x01xtext"))); err != nil || m.View().Epoch() != "epoch" || m.View().Index() != 9 {
		t.Fatalf("a small one by hand: %v", err)
	}
	if got := result(t, m, request("x", deleteDN("1"))); got.Index != 2 || !errors.Is(got.Err, fsm.ErrInvalid) || got.Err.Error() != "mutation 1048576: text" {
		t.Fatalf("its outcome: %+v", got)
	}
}

// Raft restores its last snapshot at every start: an old one of the same epoch
// is no news, one of another epoch is, whatever its index.
func TestRestore_OnlyWhatIsNewer(t *testing.T) {
	m := full(t)
	var snapshots [][]byte
	for range 3 {
		snapshots = append(snapshots, snapshotOf(t, m))
		apply(t, m, command(options(func(o *configpb.Options) { o.MaxContacts = 50 + uint32(len(snapshots)) })))
	}
	last := snapshotOf(t, m)
	taking := start(t)
	for i, s := range [][]byte{snapshots[1], snapshots[0], snapshots[1], snapshots[2], last, snapshots[0]} {
		before := taking.Digest()
		index := taking.View().Index()
		if err := restore(t, taking, s); err != nil {
			t.Fatal(i, err)
		}
		if news := i == 0 || i == 3 || i == 4; news != (taking.Digest() != before) || taking.View().Index() < index {
			t.Errorf("snapshot %d: index %d, was %d", i, taking.View().Index(), index)
		}
	}
	if taking.Digest() != m.Digest() {
		t.Error("the newest snapshot is not the state")
	}
	w := taking.Watch()
	defer w.Close()
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := restore(t, taking, last); err != nil {
		t.Fatal(err)
	}
	if c := told(t, taking, w); c.All {
		t.Error("the snapshot that is here was told as news")
	}
	if err := restore(t, taking, snapshotOf(t, another(t))); err != nil || taking.View().Epoch() != "another" || taking.View().Index() != 1 {
		t.Errorf("another epoch: %v, index %d", err, taking.View().Index())
	}
	apply(t, taking, command(put(objects()["pstn"])))
	if taking.View().Index() != 2 {
		t.Error("it does not go on behind the snapshot")
	}
}

func TestRestore_TellsThoseWhoWatchAndWait(t *testing.T) {
	from, m := full(t), start(t)
	w := m.Watch()
	defer w.Close()
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	go func() { waited <- m.Wait(ctx, from.View().Index()) }()
	if err := restore(t, m, snapshotOf(t, from)); err != nil {
		t.Fatal(err)
	}
	if c, err := w.Next(ctx); err != nil || !c.All {
		t.Errorf("who watches was not told of the snapshot: %+v, %v", c, err)
	}
	if err := patience.Receive(t, "the news of the index waited for", waited); err != nil {
		t.Error(err)
	}
}

// A snapshot is of the moment when it was taken, whatever is applied while it
// is written; equal states have equal ones.
func TestSnapshot_IsOfOneMoment(t *testing.T) {
	m := full(t)
	want, bytesThen := m.Digest(), snapshotOf(t, m)
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			apply(t, m, command(deleteDN("1001")))
			apply(t, m, command(put(objects()["sip"]), deleteDN("4000")))
			apply(t, m, command(put(objects()["trunk"]), options(func(o *configpb.Options) { o.MaxContacts = 2 })))
		}
	}()
	for range 20 {
		out := &sink{}
		if err := s.Persist(out); err != nil || !bytes.Equal(out.Bytes(), bytesThen) {
			t.Errorf("the snapshot changed: %v", err)
		}
	}
	patience.Receive(t, "the end of the reader of the snapshot", done)
	taking := start(t)
	if err := restore(t, taking, bytesThen); err != nil || taking.Digest() != want {
		t.Fatal(err)
	}
	if !bytes.Equal(snapshotOf(t, taking), bytesThen) {
		t.Error("the copy's snapshot differs")
	}
}

func TestSnapshot_ThatCantBeWrittenIsCanceled(t *testing.T) {
	m := full(t)
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, len(snapshotOf(t, m)) - 1} {
		out := &sink{limit: limit}
		if err := s.Persist(out); !errors.Is(err, errSink) || !out.canceled || out.closed {
			t.Errorf("limit %d: %v, canceled %v, closed %v", limit, err, out.canceled, out.closed)
		}
	}
	out := &bytes.Buffer{}
	if n, err := m.View().WriteTo(out); err != nil || n != int64(out.Len()) {
		t.Errorf("%d bytes of %d: %v", n, out.Len(), err)
	}
}

// Histories that end in the same objects under the same revisions have one digest.
func TestDigest_IsOfTheStateAndNotOfItsHistory(t *testing.T) {
	one, other := start(t), start(t)
	groups, twisted := begin(), begin()
	slices.Reverse(twisted.Mutations)
	apply(t, one, groups)
	apply(t, other, twisted)
	phone, point := put(objects()["sip"]), put(objects()["point"])
	apply(t, one, command(phone, put(objects()["pstn"]), point))
	apply(t, other, command(point, deleteDN("3000"), put(objects()["pstn"]), put(objects()["trunk"]), phone, point))
	apply(t, one, command())
	apply(t, other, command(deleteDN("4000"), put(&configpb.AgentGroup{Name: "brief"})))
	apply(t, one, command())
	apply(t, other, command(deleteGroup("brief")))
	if one.Digest() != other.Digest() || !bytes.Equal(snapshotOf(t, one), snapshotOf(t, other)) {
		t.Error("the same state, another digest")
	}
	before := one.Digest()
	if apply(t, one, command()); one.Digest() == before {
		t.Error("the digest does not have the index")
	}
}

// Each part of the state is in the digest: states that differ in nothing else
// have different ones.
func TestDigest_HasEveryPart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, epoch string, logs ...*peerpb.Command) {
		m := start(t)
		c := begin()
		c.NewEpoch = epoch
		apply(t, m, c)
		for _, c := range logs {
			result(t, m, c)
		}
		d := m.Digest()
		if other, twice := seen[d]; twice {
			t.Errorf("%s and %s have one digest", what, other)
		}
		seen[d] = what
		for how, copied := range copies(t, m) {
			if copied.Digest() != d {
				t.Errorf("%s: %s: another digest", what, how)
			}
		}
	}
	add("nothing", "e", command())
	add("another epoch", "f", command())
	add("a request", "e", request("a"))
	add("another request", "e", request("b"))
	add("a rejected request", "e", request("a", deleteDN("1")))
	add("another text", "e", request("a", deleteDN("2")))
	add("another mutation", "e", request("a", put(objects()["pstn"]), deleteDN("2")))
	add("another kind", "e", request("a", at(1, deleteDN("1"))))
	add("two requests", "e", request("a"), request("b"))
	add("the same in another order", "e", request("b"), request("a"))
	add("requests and none", "e", request("a"), command())
	add("none and a request", "e", command(), request("a"))
}

func TestApplyBatch_SkipsWhatIsNoCommandAndWhatItHas(t *testing.T) {
	m := furnished(t)
	c := command(put(objects()["pstn"]))
	noop, old := entry(t, 3, c), entry(t, 2, c)
	noop.Type = raft.LogNoop
	want := m.Digest()
	for i, r := range m.ApplyBatch([]*raft.Log{noop, old}) {
		if r != (fsm.Result{Index: uint64(3 - i)}) || m.Digest() != want {
			t.Errorf("%d: %+v", i, r)
		}
	}
	garbage := &raft.Log{Index: 4, Type: raft.LogCommand, Data: []byte("\xff")}
	if r := m.Apply(garbage).(fsm.Result); r.Index != 4 || m.View().Index() != 4 {
		t.Errorf("an unreadable entry: %+v, the View is at %d", r, m.View().Index())
	}
	garbage.Index = 5
	r := m.ApplyBatch([]*raft.Log{garbage, entry(t, 7, c)})
	if first := r[0].(fsm.Result); first.Index != 5 || !errors.Is(first.Err, fsm.ErrInvalid) || r[1] != (fsm.Result{Index: 7}) || m.View().Index() != 7 {
		t.Error(r)
	}
	if m.View().DN("2001").GetRevision() != 7 {
		t.Error(m.View().DN("2001"))
	}
}
