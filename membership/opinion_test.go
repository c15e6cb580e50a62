package membership

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// silent is a Gossip without a network: a test plays memberlist's part.
func silent() *Gossip {
	return newGossip(Config{ID: "a", Log: slog.New(slog.DiscardHandler)})
}

// node is b as memberlist tells of it.
func node(id string, incarnation uint64, addr string) *memberlist.Node {
	return &memberlist.Node{Name: id, Meta: append(binary.BigEndian.AppendUint64(nil, incarnation), addr...)}
}

// changed are the changes that are to be told now.
func changed(t *testing.T, g *Gossip) string {
	t.Helper()
	over, cancel := context.WithCancel(t.Context())
	if len(g.wake) == 0 {
		cancel()
	}
	defer cancel()
	all, err := g.Next(over)
	if err != nil {
		return ""
	}
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return fmt.Sprint(all)
}

// sought are the nodes that are to be joined now.
func sought(g *Gossip) (ids []NodeID) {
	for {
		select {
		case id := <-g.poke:
			ids = append(ids, id)
		default:
			return ids
		}
	}
}

func passes(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func TestOpinion_EachChangeIsToldAsItIsThen(t *testing.T) {
	g := silent()
	e := events{g: g}
	step := func(what, want string) {
		t.Helper()
		if got := changed(t, g); got != want {
			t.Errorf("%s: told %s, want %s", what, got, want)
		}
	}
	step("at first", "")
	e.NotifyJoin(node("a", 1, "x"))
	step("of oneself", "")
	e.NotifyLeave(node("b", 1, "x"))
	step("of one who was never there", "")
	e.NotifyJoin(node("b", 7, "b:1"))
	step("who comes", "[{b true 7 b:1}]")
	step("is told once", "")
	e.NotifyUpdate(node("b", 8, "b:2"))
	e.NotifyJoin(node("c", 9, "c:1"))
	step("who moves, and another", "[{b true 8 b:2} {c true 9 c:1}]")
	e.NotifyLeave(node("b", 8, "b:2"))
	step("who goes", "[{b false 8 b:2}]")
	if alive, known := g.Alive("b"); alive || !known {
		t.Errorf("who went is alive %v, known %v", alive, known)
	}
	e.NotifyLeave(node("c", 9, "c:1"))
	e.NotifyJoin(node("c", 10, "c:1"))
	step("who goes and comes", "[{c true 10 c:1}]")
	e.NotifyJoin(&memberlist.Node{Name: "d", Meta: []byte("short")})
	step("who says nothing of itself", "[{d true 0 }]")
	if n := g.Doubted(); n != 0 || len(sought(g)) != 0 {
		t.Errorf("%d verdicts were doubted", n)
	}
}

func TestOpinion_OfSoManyAndNoMore(t *testing.T) {
	g := silent()
	for i := range maxMembers + 1 {
		events{g: g}.NotifyJoin(node(fmt.Sprint("n", i), 1, "x"))
	}
	if _, known := g.Alive(NodeID(fmt.Sprint("n", maxMembers-1))); !known {
		t.Error("the last that has room is not known")
	}
	if _, known := g.Alive(NodeID(fmt.Sprint("n", maxMembers))); known || len(g.members) != maxMembers {
		t.Errorf("%d members", len(g.members))
	}
	events{g: g}.NotifyJoin(node("n0", 2, "x"))
	if g.members["n0"].Incarnation != 2 {
		t.Error("who is known is not told anew")
	}
}

// A verdict right after a stall is doubted: it is believed when the stall is over
// and nobody answers, and void when the node is there.
func TestOpinion_AfterAStall(t *testing.T) {
	for name, tc := range map[string]struct {
		then func(*Gossip)
		want string
	}{
		"nobody answers, too early": {func(g *Gossip) { passes(stallDoubt - 1); g.failed("b") }, ""},
		"nobody answers":            {func(g *Gossip) { passes(stallDoubt); g.failed("b") }, "[{b false 7 b:1}]"},
		"nobody answers, told once": {func(g *Gossip) { passes(stallDoubt); g.failed("b"); g.failed("b") }, "[{b false 7 b:1}]"},
		"it is there": {func(g *Gossip) {
			passes(stallDoubt)
			events{g: g}.NotifyJoin(node("b", 7, "b:1"))
			changedNow(g)
			g.failed("b")
		}, ""},
		"another does not answer": {func(g *Gossip) { passes(stallDoubt); g.failed("c") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := silent()
				events{g: g}.NotifyJoin(node("b", 7, "b:1"))
				changed(t, g)
				began := time.Now()
				passes(stallLength)
				if g.looked(began); g.stalled != (time.Time{}) {
					t.Error("a stall although there was none")
				}
				passes(1)
				if last := g.looked(began); last != time.Now() || g.stalled != last {
					t.Errorf("looked at %v, stalled at %v", last, g.stalled)
				}
				passes(stallDoubt - 1)
				events{g: g}.NotifyLeave(node("b", 7, "b:1"))
				if alive, _ := g.Alive("b"); !alive || g.Doubted() != 1 || fmt.Sprint(sought(g)) != "[b]" || changed(t, g) != "" {
					t.Errorf("alive %v, %d doubted", alive, g.Doubted())
				}
				g.stalled = time.Now()
				tc.then(g)
				if got := changed(t, g); got != tc.want {
					t.Errorf("told %s, want %s", got, tc.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		g := silent()
		events{g: g}.NotifyJoin(node("b", 7, "b:1"))
		g.sawStall(time.Now(), time.Second)
		passes(stallDoubt)
		events{g: g}.NotifyLeave(node("b", 7, "b:1"))
		if alive, _ := g.Alive("b"); alive || g.Doubted() != 0 {
			t.Errorf("a verdict long after the stall: alive %v, %d doubted", alive, g.Doubted())
		}
	})
}

func changedNow(g *Gossip) {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.changed)
	<-g.wake
}

// Who is sought: whoever the roster names, at once, and then while it is away.
func TestOpinion_WhoIsSought(t *testing.T) {
	g := silent()
	peers := map[NodeID]string{"a": "a:1", "b": "b:1", "c": "c:1"}
	g.SetPeers(peers)
	if got := slices.Sorted(slices.Values(sought(g))); fmt.Sprint(got) != "[a b c]" {
		t.Errorf("at once: %v", got)
	}
	absent := func(want string) {
		t.Helper()
		if got := slices.Sorted(slices.Values(g.absent())); fmt.Sprint(got) != want {
			t.Errorf("away: %v, want %s", got, want)
		}
	}
	absent("[b c]")
	events{g: g}.NotifyJoin(node("b", 1, "b:1"))
	absent("[c]")
	events{g: g}.NotifyJoin(node("x", 1, "x:1"))
	events{g: g}.NotifyLeave(node("b", 1, "b:1"))
	absent("[b c]")
	g.SetPeers(map[NodeID]string{"c": "c:1"})
	absent("[c]")
	for range 1000 {
		g.Rejoin("b") // waits for nobody
	}
	if n := len(sought(g)); n != cap(g.poke) {
		t.Errorf("%d are sought", n)
	}
}

// What memberlist says is passed on by its weight, a line a second and level.
func TestLog_ALineASecondAndLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newLogWriter(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
			Level: slog.LevelInfo,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		})))
		says := func(line, want string) {
			t.Helper()
			out.Reset()
			if n, err := w.Write([]byte(line + "\n")); n != len(line)+1 || err != nil {
				t.Errorf("%q: wrote %d, %v", line, n, err)
			}
			if got := strings.TrimSpace(out.String()); got != want {
				t.Errorf("%q becomes\n%s, want\n%s", line, got, want)
			}
		}
		says("[ERR] memberlist: one", `level=WARN msg="memberlist: one" skipped=0`)
		says("[ERR] memberlist: two", "")
		says("[WARN] memberlist: three", `level=INFO msg="memberlist: three" skipped=1`)
		says("[INFO] memberlist: four", "")
		says("[DEBUG] memberlist: five", "")
		says("six", "")
		passes(time.Second - 1)
		says("[ERR] memberlist: seven", "")
		passes(1)
		says("[ERR] memberlist: eight", `level=WARN msg="memberlist: eight" skipped=1`)
		// Who is far from the others hears of it all the time: a line a minute.
		const doubt = "[WARN] memberlist: Refuting a suspect message (from: b)"
		told := `level=INFO msg="others doubt that this node is there: it is far from them, or slow" line="memberlist: Refuting a suspect message (from: b)"`
		says(doubt, told)
		for range 50 {
			passes(time.Second)
			says(doubt, "")
		}
		w.log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
		passes(time.Minute)
		says("[ERR] memberlist: nine", "")
	})
}

// A cut is towards single addresses, by both ways.
func TestTransport_CutsSingleAddresses(t *testing.T) {
	there, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	addr, udp := there.Addr().String(), packets.LocalAddr().String()
	cut := map[string]bool{}
	g := newGossip(Config{ID: "a", Bind: freeAddr(t), Allow: func(a string) bool { return !cut[a] }, Log: slog.New(slog.DiscardHandler)})
	mc, err := g.settings()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mc.Transport.Shutdown() }()
	cut[addr], cut[udp] = true, true
	var timeout net.Error
	if conn, err := mc.Transport.DialTimeout(addr, time.Second); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a dial towards a cut: %v, %v", conn, err)
	}
	if _, err := mc.Transport.WriteTo([]byte("lost"), udp); err != nil {
		t.Errorf("what is lost on the way is an error: %v", err)
	}
	clear(cut)
	conn, err := mc.Transport.DialTimeout(addr, patience.Limit)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := mc.Transport.WriteTo([]byte("there"), udp); err != nil {
		t.Error(err)
	}
	b := make([]byte, 10)
	_ = packets.SetReadDeadline(time.Now().Add(patience.Limit))
	if n, _, err := packets.ReadFrom(b); err != nil || string(b[:n]) != "there" {
		t.Errorf("read %q, %v: want what was not lost", b[:n], err)
	}
}
