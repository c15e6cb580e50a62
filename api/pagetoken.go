package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// pageTokens are the tokens of one question's pages: the number, or another place, behind
// which the next page begins, and the start of a sum of the question. So a token says
// nothing to a client, and continues no other question. It works at every node.
type pageTokens struct {
	sum []byte
	// place tells whether a token may stand for it.
	place func(string) bool
}

// questionSum is how many bytes of the sum are in a token.
const questionSum = 8

func newPageTokens(f *tcpb.Filter, routable bool) pageTokens {
	more := ""
	if routable {
		more = "routable"
	}
	return tokensOf(f, more, dn.ValidNumber)
}

func tokensOf(question proto.Message, more string, place func(string) bool) pageTokens {
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(question) // what came in is well-formed
	sum := sha256.Sum256(append(b, more...))
	return pageTokens{sum[:questionSum], place}
}

// behind is the token of the page behind that place.
func (p pageTokens) behind(place string) string {
	return base64.RawURLEncoding.EncodeToString(append(bytes.Clone(p.sum), place...))
}

// read is the place behind which the page begins, "" for the first page.
func (p pageTokens) read(token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) <= questionSum || !p.place(string(b[questionSum:])) {
		return "", status.Error(codes.InvalidArgument, "page_token: not one that this service gave")
	}
	if !bytes.Equal(b[:questionSum], p.sum) {
		return "", status.Error(codes.InvalidArgument, "page_token: of another question: a page has the filter of the page before")
	}
	return string(b[questionSum:]), nil
}
