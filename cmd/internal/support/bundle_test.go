package support

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// A node names no files but those that reports have, and fills no disk.
func TestBundle_TakesNoMoreThanAReport(t *testing.T) {
	long := bytes.Repeat([]byte("goroutine\n"), api.MaxReportText/5)
	b := &bundle{}
	b.addReport(&tcpb.CollectReportsResponse{Node: "sip1", Files: []*tcpb.ReportFile{
		api.ReportText("goroutines.txt", long), api.ReportTail("log.txt", long), api.ReportText("../../etc/passwd", []byte("x")), api.ReportText("other.txt", []byte("x")),
		{Name: "metrics.txt", Gzip: []byte("no gzip")},
	}})
	b.addReport(&tcpb.CollectReportsResponse{Node: "../sip2", Files: []*tcpb.ReportFile{api.ReportText("log.txt", long)}})
	if len(b.files) != 2 || b.files[0].name != "nodes/sip1/goroutines.txt" || len(b.files[0].text) != api.MaxReportText || len(b.manifest.Nodes[0].Cut) != 2 {
		t.Errorf("%d files, manifest %+v", len(b.files), b.manifest)
	}
	if tail := b.files[1].text; len(tail) > api.MaxReportText || !bytes.HasPrefix(tail, []byte("goroutine\n")) || !bytes.HasSuffix(long, tail) {
		t.Errorf("of the log %d bytes", len(tail))
	}
	if m := b.manifest.Missing; len(m) != 1 || m[0].File != "nodes/sip1/metrics.txt" {
		t.Errorf("missing %v", m)
	}
}

func TestLimited_CutsAndSaysSo(t *testing.T) {
	var to bytes.Buffer
	l := &limited{w: &to, left: 5}
	if _, err := l.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Write([]byte("defg")); n != 2 || err == nil || !strings.Contains(err.Error(), "cut") || to.String() != "abcde" {
		t.Errorf("%d, %v, %q", n, err, to.String())
	}
}
