package sip

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// torture are the answers that RFC 4475 asks for, or the one chosen where it
// leaves a choice; 0 is none. The realm is example.com and DN "user" is InSrv.
var torture = map[string]struct {
	udp, tcp int
	why      string
}{
	// 3.1.1 valid messages
	"wsinv":      {481, 481, "valid, of a dialog that is not known"},
	"intmeth":    {501, 501, "valid, method unknown"},
	"esc01":      {404, 404, "valid, for a domain that is not ours"},
	"escnull":    {401, 401, "valid, DN unknown: nobody learns that"},
	"esc02":      {501, 501, "an escaped method is another method"},
	"lwsdisp":    {401, 401, "valid, about a DN"},
	"longreq":    {405, 405, "valid"},
	"dblreq":     {401, 401, "the datagram's rest is ignored"},
	"semiuri":    {401, 401, "valid, the user part has a semicolon"},
	"transports": {401, 401, "valid, about a DN"},
	"mpart01":    {404, 404, "valid, for a domain that is not ours"},
	"unreason":   {0, 0, "a response"},
	"noreason":   {0, 0, "a response"},
	// 3.1.2 invalid messages
	"badinv01":   {400, 400, "extraneous separators"},
	"clerr":      {400, 400, "Content-Length too large"},
	"ncl":        {400, 400, "negative Content-Length"},
	"scalar02":   {400, 400, "CSeq too large"},
	"scalarlg":   {0, 0, "a response with a CSeq too large"},
	"quotbal":    {400, 400, "unterminated quoted string"},
	"ltgtruri":   {400, 400, "Request-URI in angle brackets"},
	"lwsruri":    {400, 400, "white space in the Request-URI"},
	"lwsstart":   {400, 400, "more than one space in the start line"},
	"trws":       {400, 400, "spaces behind the version"},
	"escruri":    {400, 400, "headers in the Request-URI"},
	"baddate":    {405, 405, "a Date that nobody reads is ignored"},
	"regbadct":   {400, 400, "Contact with ? needs brackets"},
	"badaspec":   {400, 400, "spaces in an addr-spec"},
	"baddn":      {400, 400, "comma in an unquoted display name"},
	"badvers":    {505, 505, "unknown version"},
	"mismatch01": {400, 400, "CSeq of another method"},
	"mismatch02": {400, 400, "CSeq of another method"},
	"bigcode":    {0, 0, "a response with a status too large"},
	// 3.2 and 3.3
	"badbranch": {400, 400, "no transaction id"},
	"insuf":     {400, 400, "To, From, Call-ID are missing"},
	"unkscm":    {416, 416, "unknown scheme"},
	"novelsc":   {416, 416, "registered scheme, no SIP"},
	"unksm2":    {400, 400, "To of a REGISTER must be a SIP URI"},
	"bext01":    {420, 420, "Require and Proxy-Require"},
	"invut":     {405, 405, "calls are not for us"},
	"regaut01":  {401, 401, "unknown scheme of authorization"},
	"multi01":   {400, 400, "headers that may stand only once"},
	"mcl01":     {400, 400, "two Content-Lengths"},
	"bcast":     {0, 0, "a response"},
	"zeromf":    {483, 483, "Max-Forwards 0"},
	"cparam01":  {401, 401, "valid"},
	"cparam02":  {401, 401, "valid"},
	"regescrt":  {401, 401, "valid"},
	"sdp01":     {405, 405, "valid"},
	// 3.4
	"inv2543": {405, 400, "valid in RFC 2543; over TCP its end can't be found"},
	"test":    {400, 400, "no version"},
}

func TestServer_AnswersTheTortureMessages(t *testing.T) {
	w := newWorldOf(t, "example.com", allTransports(t))
	for _, n := range []string{"user", "j.user", "watson"} {
		w.put(&configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: md5Hex(n)})
	}
	w.table.Register("user", dn.Registered)
	w.run()
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) != len(torture) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(torture), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := torture[name]
		t.Run("udp/"+name, func(t *testing.T) {
			l := w.tortureSocket(t, name)
			w.torture(t, func() *line { return l }, data, want.udp)
		})
		t.Run("tcp/"+name, func(t *testing.T) { w.torture(t, func() *line { return w.dial("tcp") }, data, want.tcp) })
		t.Run("tls/"+name, func(t *testing.T) { w.torture(t, func() *line { return w.dial("tls") }, data, want.tcp) })
		t.Run("ws/"+name, func(t *testing.T) { w.torture(t, func() *line { return w.dial("ws") }, data, want.udp) })
	}
	if s := w.server.Stats(); s.Panics != 0 {
		t.Errorf("%d panics", s.Panics)
	}
}

// tortureSocket listens where the answer to the message has to go: its Vias
// don't ask for rport, so that is the port they name.
func (w *world) tortureSocket(t *testing.T, name string) *line {
	local := &net.UDPAddr{IP: net.IPv4(127, 44, 75, 1), Port: 5060}
	switch name {
	case "quotbal":
		local.Port = 5050
	case "badinv01", "badvers", "test": // no usable Via: to the source
		local.Port = 0
	}
	c, err := net.DialUDP("udp", local, w.server.UDPAddr().(*net.UDPAddr))
	if err != nil {
		t.Skipf("the address of the answer is taken: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &line{t: t, conn: c}
}

func (w *world) torture(t *testing.T, dial func() *line, data []byte, want int) {
	l := dial()
	l.t = t
	l.send(string(data))
	if c, ok := l.conn.(interface{ CloseWrite() error }); ok && strings.HasSuffix(t.Name(), "/clerr") { // no more will come
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	within := map[bool]time.Duration{true: 200 * time.Millisecond, false: 2 * time.Second}[want == 0]
	next := l.receive(within)
	res := next
	for i := 0; i < 10 && want != 0 && (res == nil || res.code != want); i++ {
		// A second message in the file has an answer of its own. Many files
		// share a branch, so that one may hit another's transaction just
		// before that ends: then repeat it, over another connection.
		if next == nil {
			l = dial()
			l.t = t
			_, _ = l.conn.Write(data)
		}
		if next = l.receive(within); next != nil {
			res = next
		}
	}
	switch {
	case res == nil && want != 0:
		t.Errorf("no answer, want %d", want)
	case res != nil && res.code != want:
		t.Errorf("%d %s, want %d", res.code, res.reason, want)
	}
	again := w.dial("udp")
	again.t = t
	still := again.ask("OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" + rand.Text() + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: still\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n")
	if still.code != 200 {
		t.Errorf("afterwards: %d %s", still.code, still.reason)
	}
}
