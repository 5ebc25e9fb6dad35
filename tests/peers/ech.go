// Encrypted Client Hello with Go's crypto/tls, both roles.
//
//	ech server CERT KEY CONFIG_HEX PRIVATE_HEX ...   prints its port, serves connections: echoes a line
//	ech client PORT NAME CA CONFIG_LIST_HEX
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func bytesOf(text string) []byte { return must(hex.DecodeString(text)) }

func serve(args []string) {
	config := &tls.Config{Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(args[0], args[1]))}}
	if args[2] != "" {
		config.CurvePreferences = []tls.CurveID{tls.CurveP384}
	}
	for rest := args[3:]; len(rest) > 1; rest = rest[2:] {
		key := tls.EncryptedClientHelloKey{Config: bytesOf(rest[0]), PrivateKey: bytesOf(rest[1]), SendAsRetry: true}
		config.EncryptedClientHelloKeys = append(config.EncryptedClientHelloKeys, key)
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		raw := must(listener.Accept())
		go func() {
			defer raw.Close()
			conn := tls.Server(raw, config)
			if err := conn.Handshake(); err != nil {
				fmt.Println("error", err)
				return
			}
			state := conn.ConnectionState()
			line, _ := bufio.NewReader(conn).ReadString('\n')
			fmt.Println("served", state.ServerName, state.ECHAccepted, state.DidResume)
			io.WriteString(conn, line)
			conn.Close()
		}()
	}
}

func connect(args []string) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(args[2])))
	config := &tls.Config{ServerName: args[1], RootCAs: pool, EncryptedClientHelloConfigList: bytesOf(args[3])}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if len(args) > 4 {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
	}
	for i := 0; i < 2; i++ {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+args[0], config)
		var rejected *tls.ECHRejectionError
		if errors.As(err, &rejected) {
			fmt.Println("rejected", hex.EncodeToString(rejected.RetryConfigList))
			return
		}
		if err != nil {
			fmt.Println("error", err)
			return
		}
		io.WriteString(conn, "hello\n")
		line, _ := bufio.NewReader(conn).ReadString('\n')
		state := conn.ConnectionState()
		fmt.Print("connected ", state.ECHAccepted, " ", state.DidResume, " ", line)
		conn.Close()
	}
}

func main() {
	if os.Args[1] == "server" {
		serve(os.Args[2:])
	} else {
		connect(os.Args[2:])
	}
}
